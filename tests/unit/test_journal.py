"""The journal: whole or set aside, after a kill, a cut or a flipped bit; and what it remembers."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from koprogo_agent.domain.deployment import Deployment, Floor, ServicePin
from koprogo_agent.domain.machine import begin
from koprogo_agent.domain.plan import Kind, Step, restore
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update import store
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test lies."""
    return tmp_path / "state" / "state.db"


def test_operation_is_read_as_it_was_written(path: Path) -> None:
    """Every part of an operation survives a restart; an ended one is live no more."""
    journal = Journal(path, NOW)
    begun = journal.begin(new_operation())
    moved = replace(begun, state=replace(begun.state, position=3, tries=2))
    journal.save(moved)
    journal.close()
    journal = Journal(path, NOW)
    assert journal.live() == moved
    journal.end(moved, Outcome.HELD, NOW)
    assert journal.live() is None
    past = journal.past(5)
    assert [(one.operation, one.outcome) for one in past] == [(moved, Outcome.HELD)]
    assert journal.unsettled == past[0]
    journal.settle()
    assert journal.unsettled is None
    journal.reopen(moved)
    assert journal.live() == moved


def test_only_one_operation_is_live(path: Path) -> None:
    """The file itself sees to it: a fencing row, should two agents ever act."""
    journal = Journal(path, NOW)
    journal.begin(new_operation())
    with pytest.raises(sqlite3.IntegrityError):
        journal.begin(new_operation())


def test_floor_only_rises(path: Path) -> None:
    """With a newer release, and its counter with it; going back and repairing leave it."""
    journal = Journal(path, NOW)
    journal.adopt(OLD)
    journal.commit(NEW, OLD)
    assert (journal.installed, journal.previous) == (NEW, OLD)
    journal.put_back(OLD)
    assert (journal.installed, journal.previous) == (OLD, None)
    assert journal.floor == Floor("1.1.0", 2)
    journal.commit(replace(OLD, counter=9), None)
    journal.commit(replace(NEW, counter=9), None)
    journal.adopt(replace(OLD, oid=""))
    assert journal.floor == Floor("1.1.0", 2)


def test_scratch_and_images(path: Path) -> None:
    """Names are noted once, and forgotten one by one."""
    journal = Journal(path, NOW)
    journal.note_scratch(("a", "b"))
    journal.note_scratch(("b", "c"))
    journal.forget_scratch("a")
    assert journal.scratch == ["b", "c"]
    first = replace(new_operation(), id=1)
    journal.brought("image@1", first)
    journal.brought("image@1", replace(first, id=2))
    assert journal.images_brought() == {"image@1": 1}
    journal.forget_image("image@1")
    assert journal.images_brought() == {}


def test_newer_schema_is_left_alone(path: Path) -> None:
    """A file of a newer agent is neither read nor set aside."""
    Journal(path, NOW).close()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE of_the_future (x)")
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(NeedsOperator) as raised:
        Journal(path, NOW)
    assert raised.value.code == "journal.newer"
    assert path.exists()


ADDED = """
CREATE TABLE report (number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TRIGGER report_made AFTER INSERT ON report
BEGIN INSERT INTO seal VALUES ('report', new.rowid, row_hash(new.number, new.body)); END;
"""
"""What the next version of the agent may need, with its seals."""


@contextmanager
def next_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The agent as it will be."""
    number = store.SCHEMA
    with monkeypatch.context() as patched:
        patched.setattr(store, "SCHEMA", number + 1)
        patched.setattr(store, "_STEPS", {number: ADDED})
        whole = f"{store._SCRIPT} {ADDED} PRAGMA user_version = {number + 1};"  # noqa: SLF001
        patched.setattr(store, "_SCRIPT", whole)
        patched.setattr(store, "_objects_as_made", store._objects_as_made.__wrapped__)  # noqa: SLF001
        yield


def test_the_next_version_reads_this_journal_and_this_one_reads_the_next_ones(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be put back after it has begun, and after it was blessed: nothing is forgotten."""
    known = filled(path)
    for _ in range(2):
        with next_version(monkeypatch):
            journal = Journal(path, NOW)
            assert journal.set_aside is None
            assert knowledge(journal) == known
            with journal.store.transaction() as connection:
                connection.execute("INSERT INTO report (body) VALUES ('x')")
            journal.close()
        journal = Journal(path, NOW)
        assert journal.set_aside is None
        assert knowledge(journal) == known
        journal.put("mark", "x")
        known = knowledge(journal)
        journal.close()


def test_what_the_next_version_would_not_do_is_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It adds tables and changes none: what is not so is set aside as ever."""
    filled(path)
    with next_version(monkeypatch):
        Journal(path, NOW).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE image")
    journal = Journal(path, NOW)
    assert journal.set_aside is not None
    journal.close()


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


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, object]]:
    """The bytes of a journal with a history, and what it knows."""
    path = tmp_path_factory.mktemp("sound") / "state.db"
    known = filled(path)
    return path.read_bytes(), known


@pytest.mark.parametrize("seed", range(12))
def test_truncated(tmp_path: Path, sound: tuple[bytes, dict[str, object]], seed: int) -> None:
    """A file cut short anywhere is set aside."""
    content, known = sound
    path = tmp_path / "state.db"
    path.write_bytes(content[: random.Random(seed).randrange(1, len(content))])
    assert opened_or_set_aside(path, known)


def test_emptied(tmp_path: Path) -> None:
    """An empty file is a new one."""
    (tmp_path / "state.db").touch()
    journal = Journal(tmp_path / "state.db", NOW)
    assert (journal.set_aside, journal.installed) == (None, None)
    journal.close()


@pytest.mark.parametrize("seed", range(4))
def test_garbage(tmp_path: Path, sound: tuple[bytes, dict[str, object]], seed: int) -> None:
    """A page of noise is noticed."""
    content, known = sound
    chance = random.Random(seed)
    start = chance.randrange(1, len(content) // 4096) * 4096
    path = tmp_path / "state.db"
    path.write_bytes(content[:start] + chance.randbytes(4096) + content[start + 4096 :])
    opened_or_set_aside(path, known)


_KILLED_IN_A_TRANSACTION = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from koprogo_agent.update import store
from koprogo_agent.update.journal import Journal
journal = Journal(Path(sys.argv[1]), datetime.now(UTC))
journal.put("whole", "yes")
with journal.store.transaction() as connection:
    connection.execute("UPDATE value SET json = '\\"half\\"'")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_in_a_transaction(path: Path) -> None:
    """What was committed is there, what was not is not, and nothing is corrupt."""
    command = [sys.executable, "-c", _KILLED_IN_A_TRANSACTION, str(path)]
    ended = subprocess.run(command, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    journal = Journal(path, NOW)
    assert journal.set_aside is None
    assert journal.get(str, "whole") == "yes"
    journal.close()


@pytest.mark.parametrize("seed", range(4))
def test_bit_flips(tmp_path: Path, sound: tuple[bytes, dict[str, object]], seed: int) -> None:
    """One flipped bit: what is read is what was written, or the file is set aside."""
    content, known = sound
    chance = random.Random(seed)
    for number in range(30):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        opened_or_set_aside(path, known)


def test_changed_by_a_stranger(path: Path) -> None:
    """A row that was changed without the agent is noticed: nobody signs its hash by mistake."""
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER value_changed")
        connection.execute("UPDATE value SET json = replace(json, 'v1.1.0', 'v9.9.9')")
    journal = Journal(path, NOW)
    assert journal.set_aside is not None
    journal.close()
