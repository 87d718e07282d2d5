"""A scratch stack: what a rehearsal runs, how it comes up, and how it is judged.

What fails here is put down to the release only where the release brings it. A storage service that
the release leaves alone and that does not start beside production says nothing about the release.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.gate import Expectation, GatePolicy
from koprogo_agent.domain.overlay import services
from koprogo_agent.domain.plan import Migrates
from koprogo_agent.domain.rehearsal import RehearsalTerms, ScratchModel, scratch_model
from koprogo_agent.domain.scratch_files import HostPaths, ReleaseFiles, bind_sources
from koprogo_agent.errors import AgentError, RetryLater, StepFailed
from koprogo_agent.ports import DatabaseAt, Project
from koprogo_agent.update.job import Job, left_alone, model_of
from koprogo_agent.update.looking import (
    FALLEN,
    Look,
    examined,
    gate_policy,
    inside,
    wait_until_healthy,
)

_UNAVAILABLE = "rehearsal.unavailable"
_ADVICE = (
    "it is tried again by itself; to leave out the service that the message names, write"
    ' leave_out = ["SERVICE"] below [rehearsal] in the configuration; to update without a'
    ' rehearsal, when = "never" there; then: koprogo-agent update'
)
_PATIENCE = 60.0
"""Seconds that a one-shot may take which no other service waits for."""
_QUICK = 0.25


def scratch_name(job: Job) -> str:
    """The compose project in which releases are rehearsed."""
    return f"{job.settings.stack.project}-rehearsal"


def unavailable(why: AgentError | str, advice: str = _ADVICE) -> RetryLater:
    """The rehearsal cannot take place: nothing is said about the release."""
    reason = why if isinstance(why, str) else why.message
    return RetryLater(f"the rehearsal cannot be set up: {reason}", code=_UNAVAILABLE, advice=advice)


@contextmanager
def not_the_release() -> Iterator[None]:
    """What fails inside does not blame the release."""
    try:
        yield
    except StepFailed as error:
        raise unavailable(error) from error


@dataclass(frozen=True)
class ScratchStack:
    """The scratch stack of one deployment.

    Attributes:
        job: the circumstances.
        project: the compose project.
        model: what is in it, and in which order it comes up.
    """

    job: Job
    project: Project
    model: ScratchModel

    @classmethod
    def of(cls, job: Job, deployment: Deployment, staged: str, file: str) -> ScratchStack:
        """Writes the compose file of a deployment's scratch stack.

        Args:
            job: the circumstances.
            deployment: what runs in it.
            staged: the folder with the deployment's files.
            file: name of the compose file, among the agent's own.
        """
        model = _model(job, deployment, staged)
        content = json.dumps(model.document, indent=1, sort_keys=True).encode()
        path = job.world.files.write_override(file, content)
        # Secrets may be given by variables of the operator's env files.
        env_files = job.settings.stack.env_files
        return cls(job, Project(scratch_name(job), path.parent, (path,), env_files), model)

    @property
    def database(self) -> DatabaseAt:
        """Where its PostgreSQL is."""
        return DatabaseAt(self.project.name, self.job.settings.database.service)

    def bring(self, level: Sequence[str]) -> None:
        """Starts services and waits until they are healthy, one-shots until they have ended.

        Raises:
            RetryLater: one that the release leaves alone fails (`rehearsal.unavailable`).
            StepFailed: one that the release changes fails.
        """
        alone = left_alone(self.job) | {self.database.service}
        with not_the_release():
            self._bring([name for name in level if name in alone])
        self._bring([name for name in level if name not in alone])

    def start_writers(self) -> float:
        """Starts the writers and has the whole stack pass the gate; returns its seconds.

        Raises:
            StepFailed: it does not pass, and it is not what the release leaves alone.
            RetryLater: that has fallen (`rehearsal.unavailable`).
        """
        self.job.world.stack.up(self.project, self.model.writers)
        ending = self.model.one_shots
        expected = Expectation(self.model.running, ending, self.model.awaited)
        around = self.model.running - set(self.model.writers)
        look = self._look(expected, (left_alone(self.job) | {self.database.service}) & around)
        try:
            return wait_until_healthy(self.job.world, look, self.policy, self.job.watcher).seconds
        except RetryLater as error:
            if error.code != FALLEN:
                raise
            raise unavailable(error) from error

    def stop_writers(self) -> None:
        """Removes the writers; what they need stays."""
        self.job.world.stack.discard(self.project.name, self.model.writers)

    @property
    def policy(self) -> GatePolicy:
        """The operator's gate, with the time that a rehearsal may take."""
        policy = gate_policy(self.job.settings)
        longest = max(policy.deadline, self.job.settings.rehearsal.timeout)
        return replace(policy, max_deadline=longest)

    def _bring(self, names: Sequence[str]) -> None:
        if not names:
            return
        self.job.world.stack.up(self.project, tuple(names))
        ending = self.model.one_shots.intersection(names)
        self._wait_for_ends(ending - self.model.awaited)
        expected = Expectation(
            frozenset(names) - ending, ending, self.model.awaited.intersection(names)
        )
        # It need not settle: the gate after the writers have started looks at all of it again.
        once = replace(self.policy, samples=1)
        wait_until_healthy(self.job.world, self._look(expected), once, self.job.watcher)

    def _wait_for_ends(self, names: Iterable[str]) -> None:
        """Waits for one-shots that nobody waits for; one that does not end may be none."""
        clock, waited = self.job.world.clock, set(names)
        until = clock.monotonic() + _PATIENCE
        while waited and self._run(waited) and clock.monotonic() < until:
            clock.wait(_QUICK)

    def _run(self, names: Iterable[str]) -> bool:
        containers = self.job.world.stack.containers(self.project.name)
        return any(one.service in names and one.state == "running" for one in containers)

    def _look(self, expected: Expectation, unchanged: frozenset[str] = frozenset()) -> Look:
        settings = self.job.settings
        names = expected.running
        return Look(
            self.project.name,
            expected,
            inside=inside(settings, names.intersection(self.model.writers)),
            examined=examined(settings, names),
            unchanged=unchanged,
            database=self.database if set(self.model.writers) <= names else None,
        )


def _model(job: Job, deployment: Deployment, staged: str) -> ScratchModel:
    rendered = model_of(job, deployment)
    pinned = {
        name: {**service, "image": _image(deployment, name, service)}
        for name, service in services(rendered).items()
    }
    settings = job.settings
    own = Migrates(settings.migration.kind) is not Migrates.AT_START
    migration = settings.migration.service if own else None
    terms = RehearsalTerms(
        database=settings.database.service,
        writers=settings.stack.writers,
        migration=None if migration in settings.stack.writers else migration,
        leave_out=frozenset(settings.rehearsal.leave_out),
        environment=settings.rehearsal.environment,
        release=ReleaseFiles(str(settings.stack.directory), staged, frozenset(deployment.files)),
        host=_host_paths(bind_sources(rendered)),
    )
    return scratch_model({**rendered, "services": pinned}, terms)


def _host_paths(sources: Iterable[str]) -> HostPaths:
    """What there is at these paths; what the agent may not see counts as a folder."""
    modes: Mapping[str, int] = {one: _mode(Path(one)) for one in sources}
    return HostPaths(
        files=frozenset(one for one, mode in modes.items() if stat.S_ISREG(mode)),
        sockets=frozenset(one for one, mode in modes.items() if stat.S_ISSOCK(mode)),
    )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _image(deployment: Deployment, name: str, service: Mapping[str, Any]) -> str:
    """What runs; where an adopted stack has no such container, what its files say."""
    pin = deployment.pins.get(name)
    return pin.reference if pin else str(service.get("image", ""))
