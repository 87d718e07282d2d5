"""The gate: probe results over time -> healthy, not yet, failed (DESIGN, section 5).

The same checks for an update, a rollback, a rehearsal and the soak: only the expectation differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise


class Health(StrEnum):
    """What a container's healthcheck says."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


MAY_END = frozenset({"no", "on-failure"})
"""Restart policies under which the engine leaves a container that has ended well."""


@dataclass(frozen=True)
class Container:
    """One container of the stack at one moment.

    Attributes:
        service: the compose service.
        id: the engine's full container id.
        image: the image reference as the container was created with it.
        image_id: the engine's id of that image (`sha256:…`).
        state: the engine's word: created, running, restarting, paused, exited, dead.
        exit_code: of the last run; 0 while it never ended.
        restarts: the engine's restart count since the container was created.
        labels: the labels of the container.
        may_end: whether it is a one-shot by all signs: the engine leaves it when it has ended well,
            and nobody asks how it is while it runs.
        networks: the names of the networks that it is in, and that are still there.
    """

    service: str
    id: str
    image: str
    image_id: str
    state: str
    health: Health
    exit_code: int
    restarts: int
    labels: Mapping[str, str]
    may_end: bool
    networks: frozenset[str] = frozenset()

    @property
    def is_ready(self) -> bool:
        """Whether what needs it may start: it runs, and is not known to be other than healthy."""
        return self.state == "running" and self.health in {Health.NONE, Health.HEALTHY}


@dataclass(frozen=True)
class Expectation:
    """What must be true of the stack.

    Attributes:
        running: services that must run, and be healthy where they have a healthcheck.
        ending: services that may end, and then with exit code 0.
        ended: those of them that must have ended, because others wait for it.
        fresh: services whose containers are of this operation, and that nothing but themselves has
            felled: all their restarts count, also those from before an agent that was killed.
        replicas: service -> how many containers it has, where that is not one.
    """

    running: frozenset[str]
    ending: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    fresh: frozenset[str] = frozenset()
    replicas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GatePolicy:
    """When the gate opens and when it gives up; all times in seconds.

    Attributes:
        samples: how many good samples in a row open the gate.
        interval: from one sample to the next.
        settling: from one good sample to the next; shorter where users wait for the gate.
        deadline: the gate fails when it has not opened by then.
        max_deadline: the deadline when the database keeps working, as a migration does.
        max_restarts: how often a container may restart before the gate fails at once.
    """

    samples: int
    interval: float
    settling: float
    deadline: float
    max_deadline: float
    max_restarts: int

    @property
    def settled(self) -> float:
        """Seconds from the first good sample to the one that opens the gate."""
        return (self.samples - 1) * self.settling


@dataclass(frozen=True)
class Sample:
    """One look at the stack.

    Attributes:
        at: seconds since the gate began.
        containers: the containers of the project.
        answers: probe name -> what was wrong with the answer, or None.
        mark: a value that changes while the database works (`Database.progress_mark`).
    """

    at: float
    containers: tuple[Container, ...]
    answers: Mapping[str, str | None] = field(default_factory=dict)
    mark: str = ""


class Verdict(StrEnum):
    """What the gate says."""

    HEALTHY = "healthy"
    NOT_YET = "not yet"
    FAILED = "failed"


@dataclass(frozen=True)
class Judgement:
    """A verdict and, unless healthy, the reason in words."""

    verdict: Verdict
    reason: str = ""


# A mark that has stood still for this share of the deadline means that nothing progresses any more.
_STALL_SHARE = 1 / 3


def judge(samples: Sequence[Sample], expected: Expectation, policy: GatePolicy) -> Judgement:
    """Judges everything that was sampled since the gate began."""
    if not samples:
        return Judgement(Verdict.NOT_YET, "nothing was looked at yet")
    hopeless = _hopeless(samples, expected, policy)
    if hopeless:
        return Judgement(Verdict.FAILED, hopeless)
    faults = [_fault(samples, index, expected) for index in range(len(samples))]
    recent = faults[-policy.samples :]
    if len(recent) == policy.samples and not any(recent):
        return Judgement(Verdict.HEALTHY)
    fault = faults[-1] or "healthy, but not yet for long enough"
    if samples[-1].at >= _deadline(samples, policy):
        return Judgement(Verdict.FAILED, f"{fault}, after {samples[-1].at:.0f} s")
    return Judgement(Verdict.NOT_YET, fault)


def _deadline(samples: Sequence[Sample], policy: GatePolicy) -> float:
    """The deadline, moved while the database is seen to work."""
    moved_at = 0.0
    for before, after in pairwise(samples):
        if after.mark and before.mark and after.mark != before.mark:
            moved_at = after.at
    stall = policy.deadline * _STALL_SHARE
    return max(policy.deadline, min(moved_at + stall, policy.max_deadline))


def _hopeless(samples: Sequence[Sample], expected: Expectation, policy: GatePolicy) -> str:
    """Why waiting longer cannot help, or an empty string."""
    for container in samples[-1].containers:
        name = container.service
        if name in expected.ending and container.state == "exited" and container.exit_code:
            return f"{name} has exited {container.exit_code}"
        restarts = container.restarts if name in expected.fresh else _risen(samples, container)
        if name in expected.running and restarts > policy.max_restarts:
            return f"{name} restarts again and again{_exit_seen(samples, container)}"
        if name in expected.running and _stays_down(samples, container, policy.samples):
            return f"{name} has exited {container.exit_code} and stays down"
    return ""


def fallen(
    samples: Sequence[Sample], names: Iterable[str], replicas: Mapping[str, int] | None = None
) -> str:
    """Which of these services has fallen since the gate began, in words, or an empty string.

    Args:
        samples: everything that was sampled.
        names: the services.
        replicas: service -> how many containers it has, where that is not one.
    """
    for name in sorted(names):
        mine = [one for one in samples[-1].containers if one.service == name]
        if short := too_few(len(mine), (replicas or {}).get(name, 1)):
            return f"{name} has {short}"
        for one in mine:
            if one.state != "running":
                return f"{name} is {one.state}"
            if _risen(samples, one):
                return f"{name} has restarted"
    return ""


def _exit_seen(samples: Sequence[Sample], container: Container) -> str:
    """The exit code that it was seen with; while it runs again it shows none."""
    codes = [c.exit_code for s in samples for c in s.containers if c.id == container.id]
    failed = [code for code in codes if code]
    return f", with exit code {failed[-1]}" if failed else ""


def _risen(samples: Sequence[Sample], container: Container) -> int:
    earlier = [c.restarts for s in samples for c in s.containers if c.id == container.id]
    return container.restarts - earlier[0]


def _stays_down(samples: Sequence[Sample], container: Container, times: int) -> bool:
    recent = samples[-times:]
    states = [c.state for s in recent for c in s.containers if c.id == container.id]
    return len(states) == times and all(state in {"exited", "dead"} for state in states)


class FaultKind(StrEnum):
    """What kind of fault one sample shows; the words that reports use."""

    MISSING = "container.missing"
    ENDED_BADLY = "container.failed"
    NOT_ENDED = "container.waits"
    NOT_RUNNING = "container.stopped"
    RESTARTING = "container.restarting"
    STARTING = "container.starting"
    UNHEALTHY = "container.unhealthy"
    PROBE = "probe.failed"
    ENGINE = "engine.unreachable"


@dataclass(frozen=True)
class Fault:
    """What is wrong with one sample.

    Attributes:
        service: the service, or the name of the probe.
        words: the same for a person.
        container: id of the container, or an empty string.
    """

    kind: FaultKind
    service: str
    words: str
    container: str = ""


def _fault(samples: Sequence[Sample], index: int, expected: Expectation) -> str:
    """What is wrong with one sample, in words, or an empty string."""
    fault = fault_of(samples[index], samples[index - 1] if index else None, expected)
    return fault.words if fault else ""


def fault_of(sample: Sample, before: Sample | None, expected: Expectation) -> Fault | None:
    """Return the first fault of a sample, or None; `before` is the sample taken before it."""
    return next(faults_of(sample, before, expected), None)


def faults_of(sample: Sample, before: Sample | None, expected: Expectation) -> Iterator[Fault]:
    """Yield every fault of a sample: containers first, then probes."""
    present = Counter(container.service for container in sample.containers)
    for name in sorted(expected.running | expected.ending):
        if short := too_few(present[name], expected.replicas.get(name, 1)):
            yield Fault(FaultKind.MISSING, name, f"{name} has {short}")
    restarts = {one.id: one.restarts for one in before.containers} if before else {}
    for container in sample.containers:
        fault = _container_fault(container, expected)
        if fault is None and container.service in expected.running:
            risen = restarts.get(container.id, container.restarts) < container.restarts
            fault = _named(container, FaultKind.RESTARTING, "has restarted") if risen else None
        if fault:
            yield fault
    for name, answer in sample.answers.items():
        if answer:
            yield Fault(FaultKind.PROBE, name, f"{name}: {answer}")


def too_few(there: int, wanted: int) -> str:
    """What a service has instead of the containers that are wanted; empty where it has enough."""
    if there >= wanted:
        return ""
    return f"{there} of {wanted} containers" if there else "no container"


def _container_fault(container: Container, expected: Expectation) -> Fault | None:
    name = container.service
    if name in expected.ending and container.state == "exited":
        said = f"has exited {container.exit_code}"
        return _named(container, FaultKind.ENDED_BADLY, said) if container.exit_code else None
    if name in expected.ended:
        return _named(container, FaultKind.NOT_ENDED, "has not ended yet")
    if name not in expected.running | expected.ending:
        return None
    if container.state != "running" and name in expected.running:
        kind = _KINDS.get(container.state, FaultKind.NOT_RUNNING)
        return _named(container, kind, f"is {container.state}")
    if container.health in {Health.STARTING, Health.UNHEALTHY}:
        return _named(container, _KINDS[container.health], f"is {container.health}")
    return None


_KINDS = {
    "restarting": FaultKind.RESTARTING,
    Health.STARTING: FaultKind.STARTING,
    Health.UNHEALTHY: FaultKind.UNHEALTHY,
}


def _named(container: Container, kind: FaultKind, said: str) -> Fault:
    return Fault(kind, container.service, f"{container.service} {said}", container.id)
