"""Health for ever: the stack is judged at every tick, whatever the agent is doing otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from koprogo_agent.domain.condition import (
    Condition,
    Finding,
    View,
    conclude,
    expected_of,
    look,
    needs_another,
)
from koprogo_agent.domain.gate import Expectation, Fault, FaultKind, Health, Sample
from koprogo_agent.errors import AgentError, RetryLater
from koprogo_agent.ports import NO_CONNECTION, DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.asked import services_asked_for
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.looking import Look, ask_outside, examined, inside, outside, take
from koprogo_agent.update.standing import Standing
from koprogo_agent.update.world import Watcher, World

log = structlog.get_logger()

_BOOT_SECONDS = 120.0
"""After the machine has started, containers restart for a while until what they need is there."""
_PRINTED_LINES, _PRINTED = 20, 300
_NOTE = "the stack is looked at"


class HealthMonitor:
    """Judges the stack, remembers its condition, and tells the operator when it changes."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        journal: Journal,
        standing: Standing,
        watcher: Watcher,
        stopping: Callable[[], bool],
    ) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._standing = standing
        self._watcher = watcher
        self._stopping = stopping

    def examine(self) -> Condition | None:
        """Judge the stack now; None where nothing is installed, or the agent is to stop.

        Never raises an `AgentError`: what it finds must not hide what a tick has found.
        """
        if self._journal.installed is None or self._stopping():
            return None
        try:
            return self._examine()
        except AgentError as error:
            log.warning("health.unknown", code=error.code, why=error.message)
            return None

    def _examine(self) -> Condition:
        before, clock, gate = self._standing.condition, self._world.clock, self._settings.gate
        began = clock.now()
        findings: list[Finding] = []
        sample: Sample | None = None
        while True:
            finding, sample = self._look(before, sample)
            findings.append(finding)
            if not needs_another(before, findings, gate.samples):
                break
            self._watcher.goes_on(_NOTE, 0, 0)
            clock.wait(gate.interval)
        found = conclude(before, findings, sample.containers, self._asked(), clock.now())
        if before is None or before.level is not found.level:
            found = replace(found, since=began)
        found = replace(found, printed=self._printed(before, found, findings[-1].fault))
        self._standing.looked(found)
        self._tell(before, found)
        return found

    def _look(self, before: Condition | None, earlier: Sample | None) -> tuple[Finding, Sample]:
        clock, applied = self._world.clock, self._standing.applied
        asked = Look(
            project=self._settings.stack.project,
            expected=Expectation(frozenset()),
            inside=inside(self._settings, self._deployed),
            outside=outside(self._settings),
        )
        try:
            sample = self._with_database(take(self._world, asked, clock.monotonic()))
        except RetryLater as error:
            return self._without_engine(asked, error)
        expected = expected_of(self._deployed, applied, sample.containers, self._needed())
        booting = clock.monotonic() < _BOOT_SECONDS
        if before is not None and before.is_down:
            sample = self._with_checks_run(sample)
        found = look(sample, earlier, expected, before, clock.now(), booting=booting)
        if found.view is not View.GOOD and (idle := self._not_asked_for()):
            expected = replace(expected, running=expected.running - idle)
            found = look(sample, earlier, expected, before, clock.now(), booting=booting)
        return found, sample

    def _not_asked_for(self) -> frozenset[str]:
        """Services that the operator has taken out since; rendering costs 100 ms, so ask late."""
        installed = self._journal.installed
        if installed is None:
            return frozenset()
        asked = services_asked_for(self._world, self._settings, installed)
        return self._deployed - asked

    def _with_checks_run(self, sample: Sample) -> Sample:
        """Run the health checks that the engine comes to in 30 s only: the stack may be up again.

        The answers of the probes count all the same, the ingress' above all.
        """
        asked = examined(self._settings, {one.service for one in sample.containers})
        passes = self._world.stack.examine
        containers = tuple(
            replace(one, health=Health.HEALTHY)
            if one.service in asked and one.health is Health.STARTING and passes(one.id)
            else one
            for one in sample.containers
        )
        return replace(sample, containers=containers)

    def _needed(self) -> set[str]:
        """Services without which there is no KoproGo, also where an adopted one did not run."""
        stack = self._settings.stack
        needed = {*stack.own_ingress, *stack.writers, self._settings.database.service}
        return needed & self._deployed

    @property
    def _deployed(self) -> frozenset[str]:
        installed = self._journal.installed
        return frozenset(installed.pins) if installed else frozenset()

    def _with_database(self, sample: Sample) -> Sample:
        """Ask the database too, where the engine has no health check that does."""
        service = self._settings.database.service
        mine = [one for one in sample.containers if one.service == service]
        if not mine or mine[0].state != "running" or mine[0].health is not Health.NONE:
            return sample
        wrong: str | None = None
        try:
            self._world.database.progress_mark(DatabaseAt(self._settings.stack.project, service))
        except RetryLater as error:
            # One that has given all its connections away answers; the application may hold them.
            wrong = None if error.code == NO_CONNECTION else error.message
        return replace(sample, answers={**sample.answers, service: wrong})

    def _without_engine(self, asked: Look, error: RetryLater) -> tuple[Finding, Sample]:
        """Without the engine, only the answers that users get can tell."""
        answers = ask_outside(self._world, asked)
        sample = Sample(self._world.clock.monotonic(), (), answers)
        if answers and not any(answers.values()):
            return Finding(View.GOOD), sample
        return Finding(View.BAD, Fault(FaultKind.ENGINE, "docker", error.message)), sample

    def _asked(self) -> str:
        """What was asked, so that nobody takes silence for an answer."""
        direct = [one.name for one in inside(self._settings, self._deployed)]
        public = [one.name for one in outside(self._settings)]
        said = ["containers"]
        said += [f"the application ({', '.join(direct)})"] if direct else []
        said += [f"the ingress ({', '.join(public)})"] if public else []
        left_out = "" if public else "; the ingress was not asked: no probe has a url"
        return f"{', '.join(said)}{left_out}"

    def _printed(self, before: Condition | None, found: Condition, fault: Fault | None) -> str:
        """What the faulty container printed last; read once, as it costs memory."""
        if not found.is_down:
            return ""
        if before is not None and (before.code, before.service) == (found.code, found.service):
            return before.printed
        if fault is None or not fault.container:
            return ""
        try:
            printed = self._world.stack.logs(fault.container, _PRINTED_LINES).strip()
        except AgentError:
            return ""
        return printed.rsplit("\n", 1)[-1][:_PRINTED]

    def _tell(self, before: Condition | None, found: Condition) -> None:
        was_down = before is not None and before.is_down
        if found.is_down and not was_down:
            log.error("stack.down", code=found.code, why=found.reason)
            self._journal.record("stack.down", found.since, code=found.code, reason=found.reason)
            printed = f"\nit last printed: {found.printed}" if found.printed else ""
            body = f"{found.reason}{printed}\n{advice(found, self._settings.stack.project)}"
            self._world.notifier.tell("KoproGo is down", body)
        if before is not None and was_down and not found.is_down:
            seconds = (found.since - before.since).total_seconds()
            log.info("stack.up", seconds=seconds)
            self._journal.record("stack.up", found.since, seconds=seconds, reason=before.reason)
            began = f"{before.since:%H:%M} UTC"
            body = f"it was down for {_span(seconds)}, since {began}: {before.reason}"
            self._world.notifier.tell("KoproGo is up again", body)


def advice(condition: Condition, project: str) -> str:
    """What to type to see why the stack is down."""
    look_at = f"docker compose -p {project} ps -a"
    match condition.code:
        case FaultKind.ENGINE:
            return "look: systemctl status docker"
        case FaultKind.PROBE | FaultKind.MISSING:
            return f"look: {look_at}"
        case _:
            return f"look: {look_at}; docker compose -p {project} logs {condition.service}"


def _span(seconds: float) -> str:
    minutes = round(max(seconds, 0) / 60)
    if minutes < 1:
        return f"{max(seconds, 0):.0f} seconds"
    if minutes < 120:  # noqa: PLR2004 - two hours are better said in hours
        return f"{minutes} minute{'s' * (minutes != 1)}"
    return f"{minutes / 60:.0f} hours"
