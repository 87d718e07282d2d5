"""The SQLite file behind the journal: opening, checking, and setting aside what is corrupt.

The agent exchanges itself, and may have to go back. So each version reads the journal of the one
before, and adds what that lacks; and that of the one after, in which it leaves be what it does not
know. A schema may therefore add tables with their seals, and change or drop nothing that is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update import seals

SCHEMA = 2
_STEPS: Mapping[int, str] = {}
"""Schema -> what makes the next one of it."""

_TABLES = """
CREATE TABLE value (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE operation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, tag TEXT NOT NULL, fingerprint TEXT NOT NULL,
    previous TEXT, target TEXT, state TEXT NOT NULL, facts TEXT NOT NULL,
    started TEXT NOT NULL, ended TEXT, outcome TEXT
) STRICT;
CREATE UNIQUE INDEX one_live_operation ON operation ((1)) WHERE ended IS NULL;
CREATE TABLE sighting (
    tag TEXT PRIMARY KEY, oid TEXT NOT NULL, first_seen TEXT NOT NULL
) STRICT;
CREATE TABLE refusal (
    tag TEXT NOT NULL, oid TEXT NOT NULL, trust TEXT NOT NULL, at TEXT NOT NULL,
    code TEXT NOT NULL, message TEXT NOT NULL, evidence BLOB,
    PRIMARY KEY (tag, oid)
) STRICT;
CREATE TABLE quarantine (
    fingerprint TEXT PRIMARY KEY, tag TEXT NOT NULL, at TEXT NOT NULL,
    step TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL
) STRICT;
CREATE TABLE document (
    kind TEXT NOT NULL, version INTEGER NOT NULL, era TEXT NOT NULL, raw BLOB NOT NULL,
    kept TEXT NOT NULL,
    PRIMARY KEY (kind, version)
) STRICT;
CREATE TABLE image (reference TEXT PRIMARY KEY, operation INTEGER NOT NULL) STRICT;
CREATE TABLE event (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
"""

_SEALED = {
    "value": ("name", "json"),
    "operation": (
        *("id", "kind", "tag", "fingerprint", "previous", "target", "state", "facts"),
        *("started", "ended", "outcome"),
    ),
    "sighting": ("tag", "oid", "first_seen"),
    "refusal": ("tag", "oid", "trust", "at", "code", "message", "evidence"),
    "quarantine": ("fingerprint", "tag", "at", "step", "code", "message"),
    "document": ("kind", "version", "era", "raw", "kept"),
    "image": ("reference", "operation"),
    "event": ("id", "at", "name", "detail"),
}
_SCRIPT = f"BEGIN; {_TABLES}{seals.script(_SEALED)} PRAGMA user_version = {SCHEMA}; COMMIT;"


class Store:
    """An open journal file.

    Attributes:
        set_aside: where a corrupt file was put, or None when the file was sound.
    """

    def __init__(self, path: Path, now: datetime) -> None:
        self.set_aside: Path | None = None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self.connection = _open(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not _is_corruption(error):
                raise _unusable(path, error) from error
            self.set_aside = _move_aside(path, now)
            self.connection = _open(path)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block becomes durable, or nothing of it."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            with self.connection:
                yield self.connection
        except sqlite3.OperationalError as error:
            raise NeedsOperator(
                f"cannot write the journal: {error}",
                code="journal.unwritable",
                advice="see that the disk is not full: df -h",
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()


class ReadOnlyStore(Store):
    """The same for whoever only looks: nothing is made, mended or set aside."""

    def __init__(self, path: Path) -> None:
        """Opens an existing file.

        Raises:
            NeedsOperator: there is none (`journal.absent`), or it cannot be read
                (`journal.forbidden`, `journal.unusable`).
        """
        self.set_aside = None
        try:
            path.stat()
            self.connection = _open_to_read(path)
        except FileNotFoundError as error:
            raise NeedsOperator(
                f"the agent has not run on this machine yet: there is no {path}",
                code="journal.absent",
                advice="start it: systemctl enable --now koprogo-agent;"
                " or look once: koprogo-agent check",
            ) from error
        except PermissionError as error:
            raise NeedsOperator(
                f"this user may not read {path}", code="journal.forbidden"
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise _unusable(path, error) from error


def _open_to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30
    )
    try:
        connection.row_factory = sqlite3.Row
        seals.prepare(connection)
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        connection.row_factory = sqlite3.Row
        seals.prepare(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A small cache: the journal is small, and the daemon must be too.
        connection.execute("PRAGMA cache_size = -256")
        if not _version(connection) and not _objects(connection):
            connection.executescript(_SCRIPT)
        while (version := _version(connection)) in _STEPS:
            _check(connection, path)
            step = f"{_STEPS[version]} PRAGMA user_version = {version + 1};"
            connection.executescript(f"BEGIN; {step} COMMIT;")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises a DatabaseError where anything is not as it was written."""
    with closing(connection.execute("PRAGMA quick_check(1)")) as check:
        verdict = check.fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"malformed: {verdict}")
    try:
        _check_content(connection, path)
    except sqlite3.OperationalError as error:
        # Text that is no UTF-8 any more: the words for it carry no code, or the general one.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code != sqlite3.SQLITE_ERROR:
            raise
        raise sqlite3.DatabaseError(f"malformed: {error}") from error


def _check_content(connection: sqlite3.Connection, path: Path) -> None:
    version, objects, known = _version(connection), _objects(connection), _objects_as_made()
    if version > SCHEMA + 1 and objects != known:
        raise NeedsOperator(
            f"{path} was written by a newer koprogo-agent (schema {version})",
            code="journal.newer",
            advice="install that version of koprogo-agent again",
        )
    before, after = version in _STEPS and objects < known, version == SCHEMA + 1 and objects > known
    if not (before or after or (version == SCHEMA and objects == known)):
        raise sqlite3.DatabaseError("malformed: its tables are not as they were made")
    tables = {name for kind, name, _ in objects if kind == "table"}
    sealed = {table: columns for table, columns in _SEALED.items() if table in tables}
    if table := seals.broken(connection, sealed):
        raise sqlite3.DatabaseError(f"malformed: {table} holds what nobody wrote")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema")
    return {(row[0], row[1], row[2]) for row in rows}


@cache
def _objects_as_made() -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_SCRIPT)
        return _objects(connection)


def _is_corruption(error: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    if isinstance(error, UnicodeDecodeError):
        return True  # SQLite's own complaint about a schema quotes bytes that are no text
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    malformed = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return primary in malformed or (code is None and str(error).startswith("malformed"))


def _move_aside(path: Path, now: datetime) -> Path:
    """Keeps what is corrupt: it is evidence, and somebody may yet read it."""
    aside = path.with_name(f"{path.name}.corrupt-{now:%Y%m%dT%H%M%S}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside


def _unusable(path: Path, error: Exception) -> NeedsOperator:
    return NeedsOperator(
        f"cannot open {path}: {error}",
        code="journal.unusable",
        advice="see who owns the file and whether the disk is full: ls -l and df -h",
    )
