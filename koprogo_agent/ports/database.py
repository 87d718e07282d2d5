"""PostgreSQL in a container of the stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from koprogo_agent.domain.database import DatabaseState, ServerImage
from koprogo_agent.errors import NeedsOperator


@dataclass(frozen=True)
class DatabaseAt:
    """Where a PostgreSQL is: the compose project and the service in it."""

    project: str
    service: str


@dataclass(frozen=True)
class Dump:
    """A backup: its file `NUMBER-LABEL.dump`, how many bytes it has, and their SHA-256.

    Attributes:
        unrestorable: why it cannot be restored, in PostgreSQL's words, since a restore has found
            that out; empty where none has.
    """

    path: Path
    size: int
    sha256: str
    unrestorable: str = ""

    @property
    def label(self) -> str:
        """What it was made for, and the release whose data it holds: `daily-v1.2.0`."""
        return self.path.stem.partition("-")[2]


NO_CONNECTION = "database.connections"
"""Code of the fault that all connections are taken, and none came free within a few seconds."""


UNRESTORABLE = "backup.unrestorable"
"""Code of the fault that a backup reads whole and cannot be restored."""

TO_MEND_A_RESTORE = (
    "a restore runs with an empty search_path; if what this names relies on it, give the function"
    " its own: ALTER FUNCTION NAME SET search_path = public; then: koprogo-agent update"
)


class Unrestorable(NeedsOperator):
    """A backup that reads whole and cannot be restored: what is in the database must be mended.

    Attributes:
        why: in PostgreSQL's words.
    """

    def __init__(self, dump: Path, why: str) -> None:
        super().__init__(
            f"the backup {dump.name} cannot be restored: {why}",
            code=UNRESTORABLE,
            advice=TO_MEND_A_RESTORE,
        )
        self.why = why


BUSY = "database.busy"
"""Code of the fault that others stay in a database that must be left alone for a moment."""


@dataclass(frozen=True)
class Session:
    """A connection to a PostgreSQL.

    Attributes:
        user: the role.
        database: to which it is connected.
        address: from which it comes; empty for the container itself.
        state: what it does: `idle`, `SELECT`, `idle in transaction`.
    """

    user: str
    database: str
    address: str
    state: str


def held_in_words(sessions: Iterable[Session]) -> str:
    """Who holds how many connections, most first: `koprogo from 172.18.0.5 (koprogo_db): 12`."""
    counts = Counter(
        f"{one.user} from {one.address or 'the container itself'} ({one.database})"
        for one in sessions
    )
    told = ", ".join(f"{name}: {count}" for name, count in counts.most_common())
    return told or "no session that can be seen"


class Database(Protocol):
    """PostgreSQL in a container of the stack, reached through that container.

    Every question and every change needs a connection. Where all are taken, each waits for a few
    seconds until one comes free, and then raises RetryLater (code `NO_CONNECTION`) with the names
    of those who hold them.
    """

    def size(self, at: DatabaseAt) -> int:
        """Bytes of the application's database on disk.

        Raises:
            RetryLater: the database does not answer.
        """

    def free_connections(self, at: DatabaseAt) -> int:
        """How many more connections the application could open now.

        Raises:
            RetryLater: the database does not answer.
        """

    def sessions(self, at: DatabaseAt) -> tuple[Session, ...]:
        """Who is connected; needs no connection itself.

        Raises:
            RetryLater: the database's container does not run.
        """

    def state(self, at: DatabaseAt) -> DatabaseState:
        """What may keep the application's database from being copied or exchanged.

        Raises:
            RetryLater: the database does not answer.
        """

    def server_in(self, reference: str) -> ServerImage | None:
        """Which PostgreSQL a local image holds; None where that cannot be told.

        Raises:
            RetryLater: the engine does not answer.
        """

    def dump(self, at: DatabaseAt, target: Path, progress: Callable[[int], None]) -> Dump:
        """Writes an online `pg_dump` (custom format), durable before it returns.

        Args:
            at: where the database is.
            target: the file to write; appears only when it is whole.
            progress: told the bytes written so far.
        """

    def verify(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Reads a dump whole with `pg_restore`; `progress` is told the bytes read so far.

        Raises:
            StepFailed: the file is not a whole dump (code `backup.corrupt`).
        """

    def restore(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Restores a dump into the (empty) application's database, stopping at the first error.

        Raises:
            StepFailed: the file is not a whole dump (code `backup.corrupt`).
            Unrestorable: it is whole, and PostgreSQL refuses what is in it.
            RetryLater: the server is still being set up (code `database.starting`).
        """

    def tablespaces(self, at: DatabaseAt) -> tuple[str, ...]:
        """The tablespaces that somebody made; a backup holds none of them."""

    def copy_settings(self, at: DatabaseAt, to: DatabaseAt) -> None:
        """Gives another server the roles and settings of this one, for the application's database.

        That is what `ALTER DATABASE` and `ALTER ROLE` have set; a dump holds none of it.

        Raises:
            RetryLater: the other server refuses one (code `database.settings`).
        """

    def replace(
        self, at: DatabaseAt, dump: Path, aside: str, progress: Callable[[int], None]
    ) -> None:
        """Restores a dump beside the application's database, then takes its place.

        The exchange is one transaction; what was there is kept under the name `aside`. Writers
        must have stopped.

        Raises:
            StepFailed: the file is not a whole dump (code `backup.corrupt`).
            Unrestorable: it is whole, and PostgreSQL refuses what is in it.
        """

    def make_point(self, at: DatabaseAt, name: str) -> None:
        """Copies the application's database to `name`; connections to it are ended first.

        A copy that was interrupted is not left under `name`.
        """

    def has_database(self, at: DatabaseAt, name: str) -> bool:
        """Whether a database of this name exists, whole."""

    def swap_back(self, at: DatabaseAt, point: str, aside: str) -> None:
        """Renames the application's database to `aside` and the point to its name.

        Both in one transaction; done already (no point, but an `aside`) is success.
        """

    def drop(self, at: DatabaseAt, name: str) -> None:
        """Drops a database other than the application's; absent already is success.

        Raises:
            NeedsOperator: something lives in it (code `database.occupied`), of which it tells.
        """

    def write_mark(self, at: DatabaseAt) -> str:
        """A mark for `wrote_since`; sessions may be open."""

    def wrote_since(self, at: DatabaseAt, mark: str) -> bool:
        """Whether anything may have been written since a mark; every doubt counts as a write.

        Rows, TRUNCATE, large objects, sequences and DDL are writes; what PostgreSQL does for its
        own upkeep is none.
        """

    def progress_mark(self, at: DatabaseAt) -> str:
        """A value that changes while the database does work that writes (the WAL position)."""
