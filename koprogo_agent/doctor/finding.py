"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.world import World


class Level(IntEnum):
    """How bad it is; worst first."""

    FAULT = 0
    WARNING = 1
    GOOD = 2


@dataclass(frozen=True)
class Finding:
    """Something found out.

    Attributes:
        what: what was looked at.
        found: in words.
        advice: what to do, where something is to be done.
    """

    level: Level
    what: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Patient:
    """The machine that is looked at.

    Attributes:
        config: the configuration file.
        journal: the journal's file.
        host: the engine's address.
        now: the time by this machine's own clock.
    """

    settings: Settings
    config: Path
    journal: Path
    world: World
    host: str
    now: datetime

    @property
    def database(self) -> DatabaseAt:
        """Where the application's PostgreSQL is."""
        return DatabaseAt(self.settings.stack.project, self.settings.database.service)


Check = Callable[[Patient], Iterator[Finding]]


def good(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.GOOD, what, found)


def fault(what: str, found: str, advice: str) -> Finding:
    """It cannot work like this."""
    return Finding(Level.FAULT, what, found, advice)


def warning(what: str, found: str, advice: str) -> Finding:
    """It works, and will not for ever."""
    return Finding(Level.WARNING, what, found, advice)
