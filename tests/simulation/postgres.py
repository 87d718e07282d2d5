"""PostgreSQL: databases with rows and applied migrations, copies, renames and dumps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from koprogo_agent.domain.database import (
    Console,
    DatabaseState,
    OpenTransaction,
    Prepared,
    ServerImage,
    Slot,
    Subscription,
    against_a_drop,
)
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import BUSY, NO_CONNECTION, DatabaseAt, Dump, Session, Unrestorable
from tests.simulation.images import Program, SimImages

if TYPE_CHECKING:
    from tests.simulation.disk import Disk
    from tests.simulation.machine import Machine

APPLICATION = "koprogo"
COLLATION = "2.36"
MAJOR = 15
_ROW_BYTES = 100
_SCRATCH = "-rehearsal"


@dataclass
class Data:
    """One database.

    Attributes:
        rows: what users wrote.
        applied: versions of the migrations that it holds.
        writes: PostgreSQL's own count.
        settings: what `ALTER DATABASE … SET` holds; a dump does not.
        prepared: names of prepared transactions; no copy has them.
        slots: logical replication slots; no copy has them.
        subscriptions: those that live in it; no copy has them.
        collation: version of the collation with which it was made; a copy takes the server's.
        refused: what PostgreSQL refuses of a dump of it, as of a view that relies on search_path.
    """

    rows: list[str] = field(default_factory=list)
    applied: list[int] = field(default_factory=list)
    writes: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    prepared: list[str] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    collation: str = COLLATION
    refused: str = ""

    @property
    def is_free(self) -> bool:
        """Whether it can be renamed: nothing holds it that cannot be ended."""
        return not self.prepared and not any(one.active for one in self.slots)

    def copy(self) -> Data:
        """A template copy; its counter starts anew."""
        settings = dict(self.settings)
        return Data(list(self.rows), list(self.applied), settings=settings, refused=self.refused)

    def write(self, row: str) -> None:
        """A user's write."""
        self.rows.append(row)
        self.writes += 1

    def refusal(self, program: Program) -> str:
        """Why a program does not start on it, as sqlx says it; empty when it does."""
        unknown = [version for version in self.applied if version not in program.migrations]
        return f"VersionMissing({unknown[0]})" if unknown and not program.tolerant else ""

    def lacking(self, program: Program) -> list[int]:
        """The program's migrations that it does not hold yet."""
        return [version for version in program.migrations if version not in self.applied]

    def migrate(self, program: Program) -> str:
        """Applies what is lacking, each in a transaction of its own; the error, or nothing."""
        for version in self.lacking(program):
            fails = program.migration == "fails" or program.migration in self.settings
            if fails and version == program.migrations[-1]:
                return f"migration {version} failed: column does not exist"
            self.applied.append(version)
            self.writes += 1
        return ""

    def encode(self) -> bytes:
        """A dump."""
        held = {"rows": self.rows, "applied": self.applied, "refused": self.refused}
        return json.dumps(held).encode()

    @classmethod
    def decode(cls, content: bytes) -> Data:
        """The data in a dump.

        Raises:
            ValueError: it is not a whole dump.
        """
        document = json.loads(content)
        return cls(document["rows"], document["applied"], refused=document["refused"])


@dataclass
class Server:
    """A PostgreSQL server: its databases and tablespaces, and how much it has worked.

    Attributes:
        wal: how much it has written to its log.
        major: the version of PostgreSQL that made its data: no other one starts on it.
        extensions: what is installed in the application's database.
    """

    databases: dict[str, Data] = field(default_factory=lambda: {APPLICATION: Data()})
    tablespaces: tuple[str, ...] = ()
    wal: int = 0
    major: int = MAJOR
    extensions: tuple[str, ...] = ("plpgsql",)

    @property
    def live(self) -> Data:
        """The application's database."""
        return self.databases[APPLICATION]

    def work(self) -> None:
        """Writes to the log."""
        self.wal += 1


class SimDatabase:
    """The database port.

    Attributes:
        broken_rules: what was done that must never be: copying or swapping under a writer.
        swap_failure: raised by `swap_back`, while set.
        free: how many connections are free.
        held: the sessions of others, while they hold all connections.
        transactions: open transactions of others in the application's database.
    """

    def __init__(self, machine: Machine, disk: Disk, images: SimImages) -> None:
        self._machine = machine
        self._disk = disk
        self._images = images
        self.transactions: tuple[OpenTransaction, ...] = ()
        self.broken_rules: list[str] = []
        self.swap_failure: AgentError | None = None
        self.free = 10
        self.held: tuple[Session, ...] = ()

    def size(self, at: DatabaseAt) -> int:
        """Bytes."""
        return 8_000_000 + len(self._server(at).live.rows) * _ROW_BYTES

    def free_connections(self, at: DatabaseAt) -> int:
        """As many as were set."""
        self._server(at)
        return self.free

    def sessions(self, at: DatabaseAt) -> tuple[Session, ...]:
        """Who is connected."""
        if self._machine.server(at.project) is None:
            raise RetryLater(f"{at.service} does not run", code="database.down")
        return self.held

    def state(self, at: DatabaseAt) -> DatabaseState:
        """What may keep the application's database from being copied."""
        return self._state(at, APPLICATION)

    def server_in(self, reference: str) -> ServerImage | None:
        """Which PostgreSQL an image holds."""
        program = self._images.program(reference)
        if program is None or program.kind != "postgres":
            return None
        return ServerImage(program.major, frozenset(program.extensions))

    def dump(self, at: DatabaseAt, target: Path, progress: Callable[[int], None]) -> Dump:
        """A snapshot in a file."""
        content = self._server(at).live.encode()
        progress(len(content))
        self._disk.backups_kept[target] = content
        return Dump(target, len(content), hashlib.sha256(content).hexdigest())

    def verify(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Reads a dump whole."""
        self._server(at)
        self._read(dump, progress)

    def restore(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Fills the empty application's database."""
        server = self._server(at)
        if server.live.rows or server.live.applied:
            raise NeedsOperator("the database is not empty", code="database.not_empty")
        server.databases[APPLICATION] = self._restored(dump, progress)

    def tablespaces(self, at: DatabaseAt) -> tuple[str, ...]:
        """Those that somebody made."""
        return self._server(at).tablespaces

    def copy_settings(self, at: DatabaseAt, to: DatabaseAt) -> None:
        """What a dump does not hold."""
        self._server(to).live.settings = dict(self._server(at).live.settings)

    def replace(
        self, at: DatabaseAt, dump: Path, aside: str, progress: Callable[[int], None]
    ) -> None:
        """Puts a dump in the place of the application's database."""
        server = self._server(at)
        self._need_no_writer(at, "replace")
        if aside in server.databases:
            return
        self._need_free(at)
        restored = self._restored(dump, progress)
        restored.settings = dict(server.live.settings)
        self._machine.middle("replace")
        server.databases[aside] = server.live
        server.databases[APPLICATION] = restored

    def make_point(self, at: DatabaseAt, name: str) -> None:
        """A copy."""
        server = self._server(at)
        self._need_no_writer(at, "make_point")
        if server.live.collation != COLLATION:
            raise NeedsOperator("the collation has another version", code="database.failed")
        self._need_free(at)
        server.databases.pop(name, None)
        self._machine.middle("make_point")
        server.databases[name] = server.live.copy()

    def has_database(self, at: DatabaseAt, name: str) -> bool:
        """Whether it exists."""
        return name in self._server(at).databases

    def swap_back(self, at: DatabaseAt, point: str, aside: str) -> None:
        """Two renames in one transaction."""
        databases = self._server(at).databases
        if self.swap_failure is not None:
            raise self.swap_failure
        if point not in databases and aside in databases:
            return
        self._need_no_writer(at, "swap_back")
        if point not in databases:
            raise NeedsOperator(f"there is no database {point}", code="database.no_point")
        if aside in databases:
            raise NeedsOperator(f"there is a database {aside} already", code="database.aside")
        self._need_free(at)
        databases[aside] = databases.pop(APPLICATION)
        databases[APPLICATION] = databases.pop(point)

    def drop(self, at: DatabaseAt, name: str) -> None:
        """Gone."""
        assert name != APPLICATION
        databases = self._server(at).databases
        if name in databases:
            objection = against_a_drop(self._state(at, name))
            if objection is not None:
                raise objection
            del databases[name]

    def write_mark(self, at: DatabaseAt) -> str:
        """The counter."""
        return str(self._server(at).live.writes)

    def wrote_since(self, at: DatabaseAt, mark: str) -> bool:
        """Whether the counter has moved."""
        return self.write_mark(at) != mark

    def progress_mark(self, at: DatabaseAt) -> str:
        """The log's position."""
        return str(self._server(at).wal)

    def _server(self, at: DatabaseAt) -> Server:
        server = self._machine.server(at.project)
        if server is None:
            raise RetryLater(f"{at.service} of {at.project} does not answer", code="database.down")
        if self.held and not at.project.endswith(_SCRATCH):
            raise RetryLater("all connections are taken", code=NO_CONNECTION)
        return server

    def _state(self, at: DatabaseAt, name: str) -> DatabaseState:
        server = self._server(at)
        data = server.databases[name]
        return DatabaseState(
            name=name,
            console=Console(at.project, at.service, "koprogo"),
            major=server.major,
            collation_recorded=data.collation,
            collation_now=COLLATION,
            prepared=tuple(Prepared(one, "koprogo") for one in data.prepared),
            slots=tuple(data.slots),
            subscriptions=tuple(data.subscriptions),
            transactions=self.transactions,
            extensions=server.extensions,
        )

    def _need_free(self, at: DatabaseAt) -> None:
        if not self._server(at).live.is_free:
            raise RetryLater("sessions that cannot be ended are in it", code=BUSY)

    def _read(self, dump: Path, progress: Callable[[int], None]) -> Data:
        try:
            content = self._disk.backups_kept[dump]
            progress(len(content))
            return Data.decode(content)
        except (KeyError, ValueError) as error:
            raise StepFailed(f"{dump} is not a whole dump", code="backup.corrupt") from error

    def _restored(self, dump: Path, progress: Callable[[int], None]) -> Data:
        data = self._read(dump, progress)
        if data.refused:
            raise Unrestorable(dump, data.refused)
        return data

    def _need_no_writer(self, at: DatabaseAt, act: str) -> None:
        for box in self._machine.of(at.project):
            if box.program.kind == "backend" and box.serves:
                self.broken_rules.append(f"{act} while {box.service} writes")
