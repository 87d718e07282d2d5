"""A journal with a history, and everything on which the agent acts in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from koprogo_agent.domain.deployment import Deployment, ServicePin
from koprogo_agent.domain.machine import begin
from koprogo_agent.domain.plan import Kind, Step, restore
from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.operation import Operation

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OLD = Deployment(
    tag="v1.0.0",
    fingerprint="f1",
    oid="a" * 40,
    commit="b" * 40,
    counter=1,
    image_tag="v1.0.0",
    files={"compose.yml": "0" * 64},
    compose_files=("compose.yml",),
    pins={"backend": ServicePin("backend@sha256:1", "v1.0.0")},
    migrations="c" * 40,
)
NEW = replace(OLD, tag="v1.1.0", fingerprint="f2", counter=2, works_with=("1.0.0",))


def new_operation() -> Operation:
    """An operation that is about to begin."""
    state, _ = begin(restore())
    facts = {Step.RESTORE: {"from": "/backups/1.dump"}}
    return Operation(0, Kind.RESTORE, "v1.1.0", "f2", OLD, NEW, state, NOW, facts)


def filled(path: Path) -> dict[str, object]:
    """A journal with a history, closed; returns what it knows."""
    journal = Journal(path, NOW)
    journal.adopt(OLD)
    for number in range(30):
        journal.record("tag.seen", NOW, number=number, note="x" * 100)
        journal.end(journal.begin(new_operation()), Outcome.COMMITTED, NOW)
    journal.commit(NEW, OLD)
    journal.begin(new_operation())
    known = knowledge(journal)
    journal.close()
    return known


def knowledge(journal: Journal) -> dict[str, object]:
    """Everything on which the agent acts."""
    return {
        "installed": journal.installed,
        "previous": journal.previous,
        "floor": journal.floor,
        "live": journal.live(),
        "past": journal.past(99),
    }


def opened_or_set_aside(path: Path, known: dict[str, object]) -> bool:
    """Whether a damaged file was set aside; one that was not must still tell the truth."""
    journal = Journal(path, NOW)
    try:
        if journal.set_aside is None:
            assert knowledge(journal) == known
            return False
        assert journal.set_aside.exists()
        assert journal.installed is None
        return True
    finally:
        journal.close()
