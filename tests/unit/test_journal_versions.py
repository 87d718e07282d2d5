"""The journal of the version before and of the one after: either may have to read it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from koprogo_agent.update import store
from koprogo_agent.update.journal import Journal
from tests.journals import NOW, filled, knowledge


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test lies."""
    return tmp_path / "state" / "state.db"


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
