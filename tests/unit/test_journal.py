"""The journal: whole or set aside, after a kill, a cut or a flipped bit; and what it remembers."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.domain.deployment import Floor
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.journal import Journal
from tests.journals import NEW, NOW, OLD, filled, new_operation, opened_or_set_aside


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
