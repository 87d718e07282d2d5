"""Looks at a stack until the gate opens or gives up: the one place where the gate is sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile

from koprogo_agent.domain.gate import (
    Container,
    Expectation,
    GatePolicy,
    Health,
    Judgement,
    Sample,
    Verdict,
    fallen,
    judge,
)
from koprogo_agent.domain.host import PAUSED, paused_by_hand
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import NO_CONNECTION, DatabaseAt, HttpProbe, held_in_words
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Probe
from koprogo_agent.update.world import Watcher, World

_LOG_LINES = 20
_QUICK = 0.25
"""Seconds from one look to the next while something is not healthy yet."""


@dataclass(frozen=True)
class Look:
    """What is looked at.

    Attributes:
        project: name of the compose project.
        expected: what must be true of its containers.
        inside: probes that ask a container directly, as while the ingress is closed.
        outside: probes that ask as a user would.
        examined: services whose healthcheck the agent runs itself until the engine has come to it.
        unchanged: services that the release leaves alone: where one of them has fallen, whatever
            is not healthy is not put down to the release.
        own: services of the operator's own, which the release knows nothing of.
        database: whose work moves the deadline, or None.
        listing: gives the containers of a project; None: those of its services.
        meanwhile: what is to be kept up as long as it takes; called with each look.
    """

    project: str
    expected: Expectation
    inside: tuple[Probe, ...] = ()
    outside: tuple[Probe, ...] = ()
    examined: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    database: DatabaseAt | None = None
    listing: Callable[[str], tuple[Container, ...]] | None = None
    meanwhile: Callable[[], None] | None = None


FALLEN = "gate.fallen"
"""Code of the fault that a service fell which the release leaves alone."""
OWN_FALLEN = "gate.own_fallen"
"""Code of the fault that a service fell which only the operator's override files have."""


def gate_policy(settings: Settings) -> GatePolicy:
    """The operator's gate."""
    gate = settings.gate
    return GatePolicy(
        samples=gate.samples,
        interval=gate.interval,
        settling=gate.interval,
        deadline=gate.deadline,
        max_deadline=gate.max_deadline,
        max_restarts=gate.max_restarts,
    )


def closed_gate_policy(settings: Settings) -> GatePolicy:
    """The same while the ingress is closed: each second of settling is one that users wait."""
    gate = settings.gate
    return replace(gate_policy(settings), settling=min(gate.closed_interval, gate.interval))


def inside(settings: Settings, services: Iterable[str]) -> tuple[Probe, ...]:
    """The probes that ask one of these services directly."""
    known = set(services)
    return tuple(probe for probe in settings.probe if probe.service in known)


def examined(settings: Settings, services: Iterable[str]) -> frozenset[str]:
    """Those of the services whose healthcheck may be run at any moment.

    Not the database: while its server is being set up, a temporary one answers in its place.
    """
    return frozenset(services) - {settings.database.service}


def outside(settings: Settings) -> tuple[Probe, ...]:
    """The probes that ask through the ingress."""
    return tuple(probe for probe in settings.probe if probe.url is not None)


@dataclass(frozen=True)
class Opened:
    """A gate that has opened.

    Attributes:
        seconds: that it took.
        since: when the first of the samples was taken that opened it.
    """

    seconds: float
    since: datetime


def wait_until_healthy(world: World, look: Look, policy: GatePolicy, watcher: Watcher) -> Opened:
    """Samples until the gate opens.

    The pauses between good samples are the policy's. What is not healthy yet is looked at more
    often, so that the first good sample does not come up to a whole pause late.

    Raises:
        StepFailed: the gate gave up (code `gate.failed`); the message ends with the last lines
            that the failing container printed.
        RetryLater: it gave up, but a service fell that the release leaves alone (`gate.fallen`),
            or a person has paused one (`container.paused`).
        NeedsOperator: it gave up, but one of the operator's own fell (`gate.own_fallen`).
    """
    return _Gate(world, look, policy).wait(watcher)


@dataclass
class _Gate:
    """One waiting for a gate to open.

    Attributes:
        world: the outside systems.
        look: what is looked at.
        policy: how often, and how long.
        passed: containers, each with its restarts, whose healthcheck has passed when it was run
            here. It counts until the engine comes to it: to the engine as well, what has passed
            once is healthy until its next check.
    """

    world: World
    look: Look
    policy: GatePolicy
    passed: set[tuple[str, int]] = field(default_factory=set)

    def wait(self, watcher: Watcher) -> Opened:
        """Samples until it opens."""
        began = self.world.clock.monotonic()
        samples: list[Sample] = []
        while True:
            samples.append(self._sample(self.world.clock.monotonic() - began))
            judgement = judge(samples, self.look.expected, self.policy)
            match judgement.verdict:
                case Verdict.HEALTHY:
                    return self._opened(samples)
                case Verdict.FAILED:
                    raise _failed(self.world, self.look, judgement, samples)
                case Verdict.NOT_YET:
                    watcher.goes_on(judgement.reason, 0, 0)
                    self._pause(samples[-1], began + samples[-1].at)

    def _opened(self, samples: Sequence[Sample]) -> Opened:
        *_, first = takewhile(self._is_good, reversed(samples))
        seconds = samples[-1].at
        return Opened(seconds, self.world.clock.now() - timedelta(seconds=seconds - first.at))

    def _pause(self, last: Sample, looked_at: float) -> None:
        """Waits for the next sample: for it to settle after a good one, else until all is well."""
        if self._is_good(last):
            self._wait_until(looked_at + self.policy.settling)
            return
        ends = looked_at + self.policy.interval
        while ends - self.world.clock.monotonic() > _QUICK:
            self.world.clock.wait(_QUICK)
            if self._is_good(self._look(0.0)):
                return
        self._wait_until(ends)

    def _wait_until(self, moment: float) -> None:
        self.world.clock.wait(max(moment - self.world.clock.monotonic(), 0.0))

    def _is_good(self, sample: Sample) -> bool:
        once = replace(self.policy, samples=1)
        return judge([sample], self.look.expected, once).verdict is Verdict.HEALTHY

    def _sample(self, at: float) -> Sample:
        """One look; at the database too, where it may be why something is not healthy yet."""
        sample = self._look(at)
        if self._is_good(sample):
            return sample
        return replace(sample, mark=_mark(self.world, self.look.database))

    def _look(self, at: float) -> Sample:
        """One look, where healthchecks that the engine has not come to yet do not hold it up.

        KoproGo's come every 30 s. They are run once nothing else is wrong any more.
        """
        if self.look.meanwhile is not None:
            self.look.meanwhile()
        sample = take(self.world, self.look, at)
        waiting = [one for one in sample.containers if self._waits(one)]
        hopeful = replace(
            sample,
            containers=tuple(
                replace(one, health=Health.HEALTHY) if one in waiting else one
                for one in sample.containers
            ),
        )
        if not waiting or not self._is_good(hopeful):
            return sample
        return hopeful if all(map(self._passes, waiting)) else sample

    def _waits(self, container: Container) -> bool:
        awaited = container.state == "running" and container.health is Health.STARTING
        return awaited and container.service in self.look.examined

    def _passes(self, container: Container) -> bool:
        one = (container.id, container.restarts)
        if one not in self.passed and self.world.stack.examine(container.id):
            self.passed.add(one)
        return one in self.passed


def paused_in(containers: Iterable[Container], services: Iterable[str]) -> tuple[Container, ...]:
    """The containers of services that a person has paused."""
    names = set(services)
    return tuple(one for one in containers if one.state == "paused" and one.service in names)


def take(world: World, look: Look, at: float) -> Sample:
    """One look at containers and answers."""
    containers = (look.listing or world.stack.containers)(look.project)
    answers = {probe.name: _ask_inside(world, probe, containers) for probe in look.inside}
    return Sample(at, containers, answers | ask_outside(world, look))


def ask_outside(world: World, look: Look) -> dict[str, str | None]:
    """What is wrong with the answers that users get; a probe may ask inside as well."""
    names = {one.name: f"{one.name} through the ingress" for one in look.inside}
    return {
        names.get(probe.name, probe.name): world.prober.ask(_question(probe, probe.url or ""))
        for probe in look.outside
    }


def _mark(world: World, database: DatabaseAt | None) -> str:
    if database is None:
        return ""
    try:
        return world.database.progress_mark(database)
    except RetryLater:
        # A database that does not answer makes no progress; what is wrong shows in the sample.
        return ""


def _ask_inside(world: World, probe: Probe, containers: tuple[Container, ...]) -> str | None:
    for container in containers:
        if container.service == probe.service:
            address = world.stack.address(container.id)
            if address is None:
                return f"{probe.service} has no address"
            host = f"[{address}]" if ":" in address else address
            url = f"http://{host}:{probe.port}{probe.path}"
            return world.prober.ask(_question(probe, url))
    return f"{probe.service} has no container"


def _question(probe: Probe, url: str) -> HttpProbe:
    return HttpProbe(probe.name, url, probe.host, probe.status, probe.contains)


def _failed(
    world: World, look: Look, judgement: Judgement, samples: Sequence[Sample]
) -> AgentError:
    if paused := paused_in(samples[-1].containers, look.expected.running | look.expected.ending):
        found = paused_by_hand(paused[0].service, paused[0].id[:12])
        return RetryLater(found.words, code=PAUSED, advice=found.advice)
    if error := of_fallen(look, samples):
        return error
    if what := fallen(samples, look.own & look.expected.running, look.expected.replicas):
        return NeedsOperator(
            f"the stack is not healthy, and it is not the release: {what}, and it is a service of"
            " your own override file",
            code=OWN_FALLEN,
            advice="mend it, or take it out of that file, and then: koprogo-agent update;"
            f" {_look_at(look.project)}",
        )
    if why := _shut_out(world, look, samples[-1]):
        return RetryLater(
            f"the stack is not healthy, and it is not the release: {why}",
            code=NO_CONNECTION,
            advice="lower the pools of what holds them, or raise PostgreSQL's max_connections",
        )
    service = judgement.reason.split(" ", 1)[0].rstrip(":")
    printed = [
        world.stack.logs(container.id, _LOG_LINES).strip()
        for container in samples[-1].containers
        if container.service == service
    ]
    last = printed[0].rsplit("\n", 1)[-1][:300] if printed and printed[0] else ""
    tail = f"; it last printed: {last}" if last else ""
    return StepFailed(f"the stack is not healthy: {judgement.reason}{tail}", code="gate.failed")


def of_fallen(look: Look, samples: Sequence[Sample]) -> RetryLater | None:
    """The fault that a service has fallen which the release leaves alone, or None."""
    what = fallen(samples, look.unchanged & look.expected.running, look.expected.replicas)
    if not what:
        return None
    return RetryLater(
        f"the stack is not healthy, and it is not the release: {what}, which it leaves alone",
        code=FALLEN,
        advice=_look_at(look.project),
    )


def _look_at(project: str) -> str:
    compose = f"docker compose -p {project}"
    return f"see why: {compose} ps -a; {compose} logs --tail 50 SERVICE"


def _shut_out(world: World, look: Look, last: Sample) -> str:
    """Why nothing that is looked at could reach the database, or an empty string.

    Others hold all of its connections. Whatever got one of them was not shut out.
    """
    if look.database is None:
        return ""
    try:
        free = world.database.free_connections(look.database)
        sessions = world.database.sessions(look.database) if free <= 0 else ()
    except RetryLater as error:
        if error.code != NO_CONNECTION:
            return ""
        sessions = world.database.sessions(look.database)
    mine = {world.stack.address(one.id) for one in last.containers} - {None}
    if not sessions or any(one.address in mine for one in sessions):
        return ""
    return f"others hold all connections of the database: {held_in_words(sessions)}"
