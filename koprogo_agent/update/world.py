"""Everything that a step may touch, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure
from koprogo_agent.ports import (
    Anchor,
    Clock,
    Database,
    Files,
    Images,
    Notifier,
    Prober,
    Rooms,
    Signatures,
    Source,
    Stack,
)
from koprogo_agent.update.operation import Facts


@dataclass(frozen=True)
class World:
    """The outside systems. The simulation and the real machine differ in this value only."""

    source: Source
    anchor: Anchor
    signatures: Signatures
    images: Images
    stack: Stack
    rooms: Rooms
    database: Database
    prober: Prober
    files: Files
    clock: Clock
    notifier: Notifier


class Watcher(Protocol):
    """Who is told how an operation goes on: a terminal, the log, systemd."""

    def begins(self, action: Action, tag: str) -> None:
        """An action is about to be carried out."""

    def goes_on(self, note: str, done: int, total: int) -> None:
        """The present action makes progress; both numbers are bytes, 0 where not known."""

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """The action was carried out."""

    def broke(self, action: Action, failure: Failure) -> None:
        """The action failed."""
