"""Who is around: users who write, probes that ask, an operator who is told, a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from koprogo_agent.domain.gate import Health
from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure
from koprogo_agent.ports import HttpProbe
from koprogo_agent.update.operation import Facts
from tests.simulation.box import Box
from tests.simulation.machine import Machine

PROJECT = "koprogo"
PUBLIC = "http://koprogo.example/api/v1/health"


class Met(Enum):
    """What a request meets."""

    SERVED = "it is served"
    HELD = "it waits"
    FAILED = "it fails"


def met(machine: Machine) -> Met:
    """What a request of a user meets now.

    Traefik leads to a room before all else, and then to what the engine calls healthy only; an
    ingress with fixed routes leads to whatever runs.
    """
    if not any(box.serves for box in machine.of(PROJECT, ("ingress",))):
        return Met.FAILED
    room = machine.rooms.get("backend")
    if room is not None and room.up and not room.leaving:
        if room.closed:
            return Met.HELD
        target = [box for box in machine.boxes if box.id == room.leads_to]
    else:
        now = machine.clock.seconds
        backends = [box for box in machine.of(PROJECT, ("backend",)) if not box.one_off]
        target = [box for box in backends if not _waits_for_health(box, now)]
    return Met.SERVED if any(box.serves for box in target) else Met.FAILED


def way_in(machine: Machine) -> bool:
    """Whether what users ask reaches a backend that serves."""
    return met(machine) is Met.SERVED


def _waits_for_health(box: Box, now: float) -> bool:
    return box.is_routed and box.health(now) in {Health.STARTING, Health.UNHEALTHY}


class Users:
    """People who write whenever the ingress lets them, and wait where a room holds them.

    Attributes:
        acknowledged: every row for which they were told that it is kept.
        tried: how often they tried to write.
        failed: when they were turned away, in seconds since the world began.
        longest: seconds for which one of them has waited at most.
        away: seconds for which all of them were turned away at most.
    """

    def __init__(self, machine: Machine) -> None:
        self.acknowledged: list[str] = []
        self.tried = 0
        self.failed: list[float] = []
        self.longest = 0.0
        self.away = 0.0
        self._since: float | None = None
        self._away_since: float | None = None
        self._machine = machine

    def write(self) -> None:
        """One row, if there is a way in."""
        self.tried += 1
        now, what = self._machine.clock.seconds, met(self._machine)
        self._wait(now, what)
        server = self._machine.server(PROJECT)
        if what is Met.FAILED or (what is Met.SERVED and server is None):
            self.failed.append(now)
            self._away_since = now if self._away_since is None else self._away_since
            self.away = max(self.away, now - self._away_since)
            return
        self._away_since = None
        if what is Met.HELD:
            return
        assert server is not None
        row = f"row {self.tried}"
        server.live.write(row)
        self.acknowledged.append(row)

    def _wait(self, now: float, what: Met) -> None:
        if what is Met.HELD:
            self._since = now if self._since is None else self._since
            self.longest = max(self.longest, now - self._since)
        else:
            self._since = None


class SimProber:
    """The prober port.

    Attributes:
        ingress: what is wrong with the ingress' answers, whatever runs behind it.
    """

    def __init__(self, machine: Machine) -> None:
        self.ingress: str | None = None
        self._machine = machine

    def ask(self, probe: HttpProbe) -> str | None:
        """What is wrong with the answer."""
        if probe.url == PUBLIC and self.ingress:
            return self.ingress
        if probe.url == PUBLIC:
            return {Met.SERVED: None, Met.HELD: "no whole answer within 5 s"}.get(
                met(self._machine), "answered 404, expected 200"
            )
        box = self._at(urlsplit(probe.url).hostname or "")
        return None if box is not None and box.serves else "connection refused"

    def _at(self, host: str) -> Box | None:
        return next((box for box in self._machine.boxes if f"box-{box.id}" == host), None)


@dataclass
class SimNotifier:
    """The notifier port; keeps what was told."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, title: str, body: str) -> None:
        """Tells."""
        self.told.append((title, body))


@dataclass
class SimWatcher:
    """A terminal; keeps what it showed."""

    began: list[str] = field(default_factory=list)
    failures: list[tuple[str, Failure]] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)

    def begins(self, action: Action, tag: str) -> None:  # noqa: ARG002 - the port's
        """Shows an action."""
        self.began.append(str(action))

    def goes_on(self, note: str, done: int, total: int) -> None:  # noqa: ARG002 - the port's
        """Shows progress."""
        self.notes.add(note)

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """Shows an end."""

    def broke(self, action: Action, failure: Failure) -> None:
        """Shows a failure."""
        self.failures.append((str(action), failure))
