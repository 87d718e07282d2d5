"""Databases that operations made for a while: dropped by whoever comes next, lost in no crash."""

from __future__ import annotations

from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.world import World


def drop_scratch(world: World, settings: Settings, journal: Journal) -> None:
    """Drops the databases that are noted as scratch.

    Raises:
        RetryLater: the database does not answer; what is left stays noted.
    """
    at = DatabaseAt(settings.stack.project, settings.database.service)
    for name in journal.scratch:
        world.database.drop(at, name)
        journal.forget_scratch(name)
