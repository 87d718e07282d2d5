"""Condition: whether the stack is up or down, judged at every tick (DESIGN, section 9).

The faults are those of the gate. What differs is the question: not "may this release stay?" but
"do users reach a healthy stack now?", asked for ever and without a deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from koprogo_agent.domain.drift import Applied
from koprogo_agent.domain.gate import (
    Container,
    Expectation,
    Fault,
    FaultKind,
    Sample,
    faults_of,
)

LONGEST_START = timedelta(minutes=10)
"""After this time a stack that is still starting counts as down."""
OFTEN = 3
"""Restarts after which a container that is starting once more is in a restart loop."""
_SHOWS_EXIT = {"restarting", "exited", "dead"}
_STOPPED = {FaultKind.NOT_RUNNING, FaultKind.RESTARTING}


class Level(StrEnum):
    """Whether users reach a healthy stack."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Condition:
    """The condition of the stack, as the last look found it.

    Attributes:
        since: when the look was taken that first found this level.
        looked: when the last look was taken.
        reason: why the stack is down, in words; empty while it is up.
        code: the kind of the fault (`FaultKind`); empty while the stack is up.
        service: the service, or the probe, that has the fault.
        printed: the last line that the faulty container printed when the stack went down.
        asked: what the last look asked, in words.
        starting: since when services are starting, or None.
        restarts: container id -> the engine's restart count at the last look.
        rising: ids of the containers whose count rose between the two looks before.
    """

    level: Level
    since: datetime
    looked: datetime
    reason: str = ""
    code: str = ""
    service: str = ""
    printed: str = ""
    asked: str = ""
    starting: datetime | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    rising: tuple[str, ...] = ()

    @property
    def is_down(self) -> bool:
        """Whether the stack is down."""
        return self.level is Level.DOWN


class View(StrEnum):
    """What one look shows."""

    GOOD = "good"
    STARTING = "starting"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What one look shows, and the fault that decides it."""

    view: View
    fault: Fault | None = None


def expected_of(
    deployed: Iterable[str],
    before: Mapping[str, Applied],
    containers: Iterable[Container],
    needed: Iterable[str],
) -> Expectation:
    """Return what must run, taken from the containers: rendering the model costs 100 ms a tick.

    One-shot services are left out: one that fails long after the update takes nothing down.

    Args:
        deployed: the services of the installed deployment.
        before: the services as they were applied; while a release is watched, as before it.
        containers: the containers that there are now.
        needed: services that must run even if they did not when the stack was adopted.
    """
    rested = {name for name, one in before.items() if not one.running or one.may_end}
    one_shots = {one.service for one in containers if one.may_end}
    running = frozenset(set(deployed) - (rested - set(needed)) - one_shots)
    counts = {name: one.count for name, one in before.items() if one.count != 1}
    return Expectation(running, replicas=counts)


def look(
    sample: Sample,
    earlier: Sample | None,
    expected: Expectation,
    before: Condition | None,
    now: datetime,
    *,
    booting: bool,
) -> Finding:
    """Judge one look.

    Args:
        sample: what was seen.
        earlier: the sample before it in the same tick, or None.
        expected: what must be true.
        before: the condition that was known before this tick.
        now: the time of the look.
        booting: whether the machine has just started, when containers still restart because
            what they need is not there yet.
    """
    looping = _restarts_again(sample.containers, expected, before)
    if looping:
        return Finding(View.BAD, looping)
    loops = _restarted_often(sample.containers, before)
    faults = [_in_words(one, sample, loops) for one in faults_of(sample, earlier, expected)]
    if not faults:
        return Finding(View.GOOD)
    starting = [one for one in faults if one.kind is FaultKind.STARTING]
    soft = {FaultKind.STARTING, FaultKind.PROBE} if starting else set()
    hard = [one for one in faults if one.kind not in soft]
    since = before.starting if before else None
    if since is not None and now - since > LONGEST_START:
        return Finding(View.BAD, (hard or faults)[0])
    if booting or not hard:
        return Finding(View.STARTING, (starting or faults)[0])
    return Finding(View.BAD, hard[0])


def needs_another(before: Condition | None, findings: Sequence[Finding], times: int) -> bool:
    """Whether another look is needed: a change counts once it was seen so many times in a row."""
    change = _change(before)
    return len(findings) < times and all(one.view is change for one in findings)


def conclude(
    before: Condition | None,
    findings: Sequence[Finding],
    containers: Iterable[Container],
    asked: str,
    now: datetime,
) -> Condition:
    """The condition after the looks of one tick.

    Args:
        before: the condition that was known before this tick.
        findings: of all looks, which `needs_another` has found to be enough.
        containers: those of the last look.
        asked: what the looks asked, in words.
        now: the time of the last look.
    """
    last = findings[-1]
    changes = all(one.view is _change(before) for one in findings)
    was_down = before is not None and before.is_down
    level = Level.DOWN if was_down != changes else Level.UP
    fault = last.fault if last.view is View.BAD else None
    kept = before if level is Level.DOWN and fault is None else None
    counts = {one.id: one.restarts for one in containers}
    known = before.restarts if before else {}
    begins = before.starting if before and before.starting else now
    return Condition(
        level=level,
        since=before.since if before and before.level is level else now,
        looked=now,
        reason=_of(level, fault.words if fault else "", kept.reason if kept else ""),
        code=_of(level, fault.kind if fault else "", kept.code if kept else ""),
        service=_of(level, fault.service if fault else "", kept.service if kept else ""),
        asked=asked,
        starting=None if last.view is View.GOOD else begins if _starts(last) else None,
        restarts=counts,
        rising=tuple(
            sorted(name for name, count in counts.items() if count > known.get(name, count))
        ),
    )


def _of(level: Level, said: str, kept: str) -> str:
    return str(said or kept) if level is Level.DOWN else ""


def _starts(finding: Finding) -> bool:
    """Whether the services were still starting, or have been for too long."""
    kinds = {FaultKind.STARTING}
    return finding.view is View.STARTING or bool(finding.fault and finding.fault.kind in kinds)


def _change(before: Condition | None) -> View:
    return View.GOOD if before is not None and before.is_down else View.BAD


def _restarts_again(
    containers: Iterable[Container], expected: Expectation, before: Condition | None
) -> Fault | None:
    """The service whose restart count rose since the last tick and between the two before it."""
    if before is None:
        return None
    for one in containers:
        risen = one.restarts > before.restarts.get(one.id, one.restarts)
        if risen and one.id in before.rising and one.service in expected.running:
            words = f"{one.service} restarts again and again"
            return Fault(FaultKind.RESTARTING, one.service, words, one.id)
    return None


def _restarted_often(containers: Iterable[Container], before: Condition | None) -> set[str]:
    """Ids of the containers that have restarted so often since the last tick, or their creation."""
    known = before.restarts if before else {}
    return {one.id for one in containers if one.restarts - known.get(one.id, 0) >= OFTEN}


def _in_words(fault: Fault, sample: Sample, loops: set[str]) -> Fault:
    """The fault with the exit code of what has ended; what only starts again and again is named."""
    if fault.container in loops and fault.kind is FaultKind.STARTING:
        words = f"{fault.service} restarts again and again"
        return Fault(FaultKind.RESTARTING, fault.service, words, fault.container)
    for one in sample.containers:
        shows = one.state in _SHOWS_EXIT and fault.kind in _STOPPED
        if one.id == fault.container and shows:
            words = f"{fault.words} (exit code {one.exit_code})"
            return Fault(fault.kind, fault.service, words, fault.container)
    return fault
