"""What the fleet has yet to hear, kept on the disk: `reports.db`, beside the journal.

A file of its own: whatever happens to it, updates go on. A corrupt one is made anew, and nothing is
lost but what the fleet would have heard of the past.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from koprogo_agent.durable import make_folder
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.reporting.news import Known, known, news
from koprogo_agent.reporting.snapshot import Snapshot
from koprogo_agent.update.encoding import dump, load
from koprogo_agent.wire.report import Transition

T = TypeVar("T")

KEPT = 200
"""Transitions for which there is room; the oldest make way."""
_SECONDS = 5.0
# Numbers begin with the time: those of a file that is made anew are higher than all before.
_SCRIPT = """
BEGIN;
CREATE TABLE value (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE transition (number INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL) STRICT;
INSERT INTO value VALUES ('sequence', strftime('%s', 'now'));
INSERT INTO sqlite_sequence VALUES ('transition', strftime('%s', 'now'));
PRAGMA user_version = 1;
COMMIT;
"""


@dataclass(frozen=True)
class Heard:
    """How it went with the fleet, as far as is remembered.

    Attributes:
        taken: when a report was last taken, or None.
        failing_since: since when none was, or None.
        failure: why the last one was not, or an empty string.
        verified: whether the association's token was taken.
        highest: tag of the newest release that the fleet spoke of, or None.
        notice: what it says to whoever keeps the instance, or an empty string.
    """

    taken: datetime | None = None
    failing_since: datetime | None = None
    failure: str = ""
    verified: bool = False
    highest: str | None = None
    notice: str = ""


class Outbox:
    """Opened for each use: by the daemon's tick, by its reporter, and by whoever types a verb."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, snapshot: Snapshot, agent: str) -> bool:
        """Keeps what has changed since it was last noted; tells whether anything has."""
        with self._open() as connection:
            told = tuple(news(snapshot, agent, _get(connection, Known, "known")))
            if told:
                _keep(connection, told)
                _put(connection, "known", known(snapshot, agent))
        return bool(told)

    def waiting(self) -> tuple[Transition, ...]:
        """What the fleet has not acknowledged, newest first."""
        with self._open() as connection:
            rows = connection.execute("SELECT number, json FROM transition ORDER BY number DESC")
            told = [(number, _read(Transition, text)) for number, text in rows]
        return tuple(replace(one, number=number) for number, one in told if one)

    def acknowledge(self, numbers: Iterable[int]) -> None:
        """The fleet keeps these for good."""
        with self._open() as connection:
            gone = [(number,) for number in numbers]
            connection.executemany("DELETE FROM transition WHERE number = ?", gone)

    def next_sequence(self) -> int:
        """A number that no report has had."""
        with self._open() as connection:
            number = (_get(connection, int, "sequence") or 0) + 1
            _put(connection, "sequence", number)
        return number

    def raise_sequence(self, taken: int) -> None:
        """The fleet has taken a report with this number: the next one has a higher one."""
        with self._open() as connection:
            _put(connection, "sequence", max(taken, _get(connection, int, "sequence") or 0))

    def begin_run(self) -> None:
        """The agent starts. Two machines with one key would be told apart by nothing else."""
        with self._open() as connection:
            _put(connection, "run", secrets.token_hex(8))

    @property
    def run(self) -> str:
        """Name of the agent's present run, which those who type verbs share with it."""
        with self._open() as connection:
            run = _get(connection, str, "run") or secrets.token_hex(8)
            _put(connection, "run", run)
        return run

    @property
    def heard(self) -> Heard:
        """How it went with the fleet; whoever only looks makes no file."""
        if not self._path.exists():
            return Heard()
        with self._open() as connection:
            return _get(connection, Heard, "heard") or Heard()

    def hears(self, heard: Heard) -> None:
        """Remembers how it went."""
        with self._open() as connection:
            _put(connection, "heard", heard)

    def empty(self) -> None:
        """Forgets all of it."""
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction.

        Raises:
            NeedsOperator: the file can be neither used nor made anew (code `reports.unusable`).
        """
        try:
            with self._connected() as connection:
                yield connection
        except sqlite3.OperationalError as error:
            raise NeedsOperator(
                f"cannot use {self._path}: {error}",
                code="reports.unusable",
                advice="see that the disk is not full, and whose the file is: df -h, ls -l",
            ) from error

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        make_folder(self._path.parent)
        try:
            connection = _made(self._path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self.empty()
            connection = _made(self._path)
        with closing(connection), connection:
            yield connection


def _made(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            connection.executescript(_SCRIPT)
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("its check found damage")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _keep(connection: sqlite3.Connection, told: Iterable[Transition]) -> None:
    rows = [(dump(one),) for one in told]
    connection.executemany("INSERT INTO transition (json) VALUES (?)", rows)
    connection.execute(
        "DELETE FROM transition WHERE number <= (SELECT max(number) FROM transition) - ?", (KEPT,)
    )


def _get(connection: sqlite3.Connection, kind: type[T], name: str) -> T | None:
    row = connection.execute("SELECT json FROM value WHERE name = ?", (name,)).fetchone()
    return _read(kind, row[0]) if row else None


def _read(kind: type[T], text: str) -> T | None:
    """What another version of the agent wrote in words that this one lacks counts as nothing."""
    try:
        return load(kind, text)
    except ValueError:
        return None


def _put(connection: sqlite3.Connection, name: str, value: object) -> None:
    connection.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, dump(value)))
