"""Databases that operations made for a while: dropped by whoever comes next, lost in no crash.

One that cannot be dropped, because something lives in it, blocks nothing else. The operator is told
once what holds it, and it is tried again now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from koprogo_agent.domain.database import OCCUPIED
from koprogo_agent.errors import Failure, NeedsOperator
from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.world import World

log = structlog.get_logger()

AGAIN_AFTER = timedelta(hours=1)
"""From one try to drop a leftover to the next."""
_LEFTOVERS = "leftovers"


@dataclass(frozen=True)
class Leftover:
    """A scratch database that could not be dropped.

    Attributes:
        tried: when that was last tried.
        failure: what keeps it.
    """

    tried: datetime
    failure: Failure


def drop_scratch(world: World, settings: Settings, journal: Journal) -> None:
    """Drops the databases that are noted as scratch; one in which something lives is left.

    Raises:
        RetryLater: the database does not answer; what is left stays noted.
        NeedsOperator: it fails in another way than that something lives in one.
    """
    at = DatabaseAt(settings.stack.project, settings.database.service)
    known, now = read_leftovers(journal), world.clock.now()
    for name in journal.scratch:
        if name in known and timedelta() <= now - known[name].tried < AGAIN_AFTER:
            continue
        try:
            world.database.drop(at, name)
        except NeedsOperator as error:
            if error.code != OCCUPIED:
                raise
            _note(world, journal, name, Leftover(now, Failure.of(error)))
        else:
            journal.forget_scratch(name)
            _forget(journal, name)


def read_leftovers(journal: Journal) -> dict[str, Leftover]:
    """Name -> what keeps it, for the scratch databases that could not be dropped."""
    return journal.get(dict[str, Leftover], _LEFTOVERS) or {}


def _note(world: World, journal: Journal, name: str, left: Leftover) -> None:
    known = read_leftovers(journal)
    before = known.get(name)
    journal.put(_LEFTOVERS, {**known, name: left})
    if before is not None and before.failure == left.failure:
        return
    log.warning("scratch.occupied", database=name, why=left.failure.message)
    journal.record("scratch.occupied", left.tried, database=name, why=left.failure.message)
    world.notifier.tell(
        "KoproGo: a copy of the database cannot be removed",
        f"{left.failure.message}\n{left.failure.advice}",
    )


def _forget(journal: Journal, name: str) -> None:
    known = read_leftovers(journal)
    if known.pop(name, None) is not None:
        journal.put(_LEFTOVERS, known or None)
