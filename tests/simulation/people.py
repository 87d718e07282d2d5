"""Who is around: users who write, probes that ask, an operator who is told, a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure
from koprogo_agent.ports import HttpProbe
from koprogo_agent.update.operation import Facts
from tests.simulation.machine import Box, Machine

PROJECT = "koprogo"
PUBLIC = "http://koprogo.example/api/v1/health"


def way_in(machine: Machine) -> bool:
    """Whether what users ask reaches a backend that serves."""
    return all(
        any(box.serves for box in machine.of(PROJECT, (service,)) if not box.one_off)
        for service in ("ingress", "backend")
    )


class Users:
    """People who write whenever the ingress lets them.

    Attributes:
        acknowledged: every row for which they were told that it is kept.
        tried: how often they tried to write.
    """

    def __init__(self, machine: Machine) -> None:
        self.acknowledged: list[str] = []
        self.tried = 0
        self._machine = machine

    def write(self) -> None:
        """One row, if there is a way in."""
        self.tried += 1
        server = self._machine.server(PROJECT)
        if server is not None and way_in(self._machine):
            row = f"row {self.tried}"
            server.live.write(row)
            self.acknowledged.append(row)


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
            return None if way_in(self._machine) else "503 instead of 200"
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
