"""What the agent does with the application's database.

A name that other parts look for (a point, the application's own) appears only by renaming what is
whole. Half-made databases carry the suffix `_partial` and are dropped by the next call.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

from koprogo_agent.adapters.postgres import cluster, writes
from koprogo_agent.adapters.postgres import statements as sql
from koprogo_agent.adapters.postgres.channel import Ended
from koprogo_agent.adapters.postgres.dumps import DumpReader, DumpWriter, corrupt, refusal
from koprogo_agent.adapters.postgres.image import server_in
from koprogo_agent.adapters.postgres.obstacles import state_of
from koprogo_agent.adapters.postgres.server import Occupied, Server, disk_full, find
from koprogo_agent.adapters.postgres.sessions import is_full
from koprogo_agent.adapters.postgres.writes import Mark
from koprogo_agent.backup_record import read_record
from koprogo_agent.domain.database import (
    OCCUPIED,
    DatabaseState,
    ServerImage,
    against_a_drop,
    against_an_exchange,
)
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater
from koprogo_agent.ports import BUSY, DatabaseAt, Dump, Session, Unrestorable, held_in_words

_NAME = re.compile(r"[a-z][a-z0-9_]{0,53}")
_PARTIAL = "_partial"
_SYSTEM = frozenset({"postgres", "template0", "template1"})
_TRIES = 6
"""PostgreSQL itself waits 5 s for sessions to end before each try fails."""
_LONG = 4 * 3600.0
"""Seconds that one copy or one index of a restore may take without a sign of life."""
# Level 1 took no longer than none and made a quarter of the size; level 6 took half as long again.
_DUMP = ("pg_dump", "--format=custom", "--compress=1", "--no-password")
_READ = ("pg_restore", "--file=/dev/null")
# An empty name: libpq then takes it from the environment.
_RESTORE = ("pg_restore", "--exit-on-error", "--single-transaction", "--no-password", "--dbname=")


class ContainerPostgres:
    """Implements `ports.Database` by docker exec."""

    def __init__(self, host: str, stall: float = 300.0) -> None:
        """Nothing is asked yet.

        Args:
            host: the engine's address.
            stall: seconds without a byte after which a dump or a reading is given up.
        """
        self._host = host
        self._stall = stall

    def size(self, at: DatabaseAt) -> int:
        """Bytes of the application's database on disk."""
        server = self._server(at)
        return int(server.ask(sql.size(server.app))[0])

    def free_connections(self, at: DatabaseAt) -> int:
        """Connections that are neither open nor kept for superusers."""
        return int(self._server(at).ask(sql.free_connections())[0])

    def sessions(self, at: DatabaseAt) -> tuple[Session, ...]:
        """Who is connected, by the processes of the server."""
        return self._server(at).sessions()

    def state(self, at: DatabaseAt) -> DatabaseState:
        """What may keep the application's database from being copied or exchanged."""
        server = self._server(at)
        found = state_of(server, at, server.app)
        if found is None:
            raise NeedsOperator(
                f"the server has no database {server.app}",
                code="database.missing",
                advice="POSTGRES_DB must name the application's database",
            )
        return found

    def server_in(self, reference: str) -> ServerImage | None:
        """Which PostgreSQL a local image holds; None where that cannot be told."""
        return server_in(self._host, reference)

    def dump(self, at: DatabaseAt, target: Path, progress: Callable[[int], None]) -> Dump:
        """Writes an online `pg_dump`; the record beside it holds its hash and the roles' names.

        Raises:
            RetryLater: the database is away (`database.down`), sends nothing
                (`database.stalled`), or pg_dump failed, of which it says why (`backup.failed`).
            NeedsOperator: the disk is full or fails.
        """
        server = self._server(at)
        server.end_stragglers()
        roles = tuple(server.ask(sql.roles()))
        patience = f"--lock-wait-timeout={int(self._stall * 1000)}"
        with DumpWriter(target, progress) as writer:
            ended = server.stream((*_DUMP, patience), self._stall * 2, take=writer.take)
            if ended.exit_code:
                raise _failed(server, ended) or RetryLater(
                    f"cannot dump the database: {ended.complaints[-400:]}", code="backup.failed"
                )
            return writer.keep(roles)

    def verify(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Reads a dump whole with `pg_restore`, and compares its hash with the record."""
        server = self._server(at)
        reader = DumpReader(dump, progress)
        ended = server.stream(_READ, self._stall, feed=reader.chunks())
        if ended.exit_code:
            raise _failed(server, ended) or corrupt(dump, ended.complaints[-400:])
        reader.finish()

    def restore(self, at: DatabaseAt, dump: Path, progress: Callable[[int], None]) -> None:
        """Restores a dump into the empty application's database: all of it, or nothing.

        Owners and grants are restored too; roles that the cluster lacks are made, without login.

        Raises:
            NeedsOperator: the database holds something (`database.not_empty`).
            StepFailed: the dump is damaged (`backup.corrupt`).
            Unrestorable: it is whole, and PostgreSQL refuses what is in it.
            RetryLater: the server is still being set up (`database.starting`).
        """
        server = self._server(at)
        if server.ask(cluster.is_open()) != ["t"]:
            raise RetryLater(f"{at.service} is still being set up", code="database.starting")
        server.end_stragglers()
        if server.ask(sql.relations(), server.app) != ["0"]:
            raise NeedsOperator(
                f"cannot restore into {server.app}: it is not empty",
                code="database.not_empty",
                advice="use `koprogo-agent backup restore`, which keeps what is there aside",
            )
        _restore(server, dump, server.app, progress)

    def tablespaces(self, at: DatabaseAt) -> tuple[str, ...]:
        """The tablespaces that somebody made; a backup holds none of them."""
        return tuple(self._server(at).ask(cluster.tablespaces()))

    def copy_settings(self, at: DatabaseAt, to: DatabaseAt) -> None:
        """Gives another server the roles, passwords included, and settings of this one.

        Raises:
            RetryLater: the other server refuses one (`database.settings`).
        """
        source, target = self._server(at), self._server(to)
        lines = source.ask(cluster.settings(source.app))
        target.work(sql.add_roles(source.ask(sql.roles())), self._stall)
        try:
            target.work(cluster.script(lines), self._stall)
        except NeedsOperator as error:
            # Not in its words, nor as its cause: they may quote a statement with a password.
            raise RetryLater(
                f"{to.service} of {to.project} refuses a role or a setting of {at.project}"
                f" ({error.code})",
                code="database.settings",
            ) from None

    def replace(
        self, at: DatabaseAt, dump: Path, aside: str, progress: Callable[[int], None]
    ) -> None:
        """Restores a dump beside the application's database, then takes its place."""
        server = self._server(at)
        side = _partial(aside)
        server.work(sql.clear_the_way(aside, side), self._stall)
        server.work(sql.create_like(server.app, side), self._stall)
        _restore(server, dump, side, progress)
        # A restored database has no statistics: every query would be planned blindly.
        server.work("ANALYZE;", _LONG, side)
        server.work(sql.copy_properties(server.app, side), self._stall)
        _undisturbed(server, at, sql.exchange(server.app, aside, side), self._stall)

    def make_point(self, at: DatabaseAt, name: str) -> None:
        """Copies the application's database to `name`; connections to it are ended first.

        Raises:
            RetryLater: sessions came back faster than they were ended (`database.busy`).
            NeedsOperator: `name` exists already: overwriting a point could lose the only way back
                (`database.exists`); the disk is full (`disk.full`).
        """
        server = self._server(at)
        partial = _partial(name)
        making = sql.clear_the_way(name, partial) + sql.copy(server.app, partial)
        _undisturbed(server, at, making, _LONG)
        # Not in the same script: a psql that outlives a killed agent must not finish the point.
        finish = sql.copy_properties(server.app, partial) + sql.rename(partial, name)
        server.work(finish, self._stall)

    def has_database(self, at: DatabaseAt, name: str) -> bool:
        """Whether a database of this name exists, whole.

        First it ends what a killed agent may have left running, so that the answer stays true.
        """
        server = self._server(at)
        server.end_stragglers()
        return bool(server.ask(sql.exists([_checked(name)])))

    def swap_back(self, at: DatabaseAt, point: str, aside: str) -> None:
        """Renames the application's database to `aside` and the point to its name.

        Raises:
            RetryLater: sessions came back faster than they were ended (`database.busy`).
            NeedsOperator: there is no point (`database.point_missing`).
        """
        server = self._server(at)
        server.end_stragglers()
        present = server.ask(sql.exists([_checked(point), _checked(aside)]))
        if point in present:
            _undisturbed(server, at, sql.exchange(server.app, aside, point), self._stall)
        elif aside not in present:
            raise NeedsOperator(
                f"cannot go back: there is no database {point}",
                code="database.point_missing",
                advice="restore a backup: koprogo-agent backup list",
            )

    def drop(self, at: DatabaseAt, name: str) -> None:
        """Drops a database other than the application's, and what was half-made for it.

        Raises:
            NeedsOperator: it is the application's, or PostgreSQL's own (`database.protected`);
                something lives in it (`database.occupied`).
        """
        server = self._server(at)
        if name == server.app or name in _SYSTEM:
            raise NeedsOperator(f"the agent never drops {name}", code="database.protected")
        server.work(sql.end_stragglers(), self._stall)
        for one in (_checked(name), _partial(name)):
            try:
                server.work(sql.drop(one), self._stall)
            except Occupied as error:
                raise _occupied(server, at, one, str(error)) from error

    def write_mark(self, at: DatabaseAt) -> str:
        """A mark for `wrote_since`; sessions may be open."""
        server = self._server(at)
        return server.ask(writes.mark(), server.app)[0]

    def wrote_since(self, at: DatabaseAt, mark: str) -> bool:
        """Whether anything may have been written since the mark."""
        then, now = Mark.read(mark), Mark.read(self.write_mark(at))
        if then is None or now is None:
            return True
        if (then.database, then.sequences) != (now.database, now.sequences):
            return True
        if then.snapshot == now.snapshot:
            return False
        ended, server = then.transactions_until(now), self._server(at)
        return ended is None or server.ask(writes.were_analyzes(ended), server.app) != ["t"]

    def progress_mark(self, at: DatabaseAt) -> str:
        """A value that changes while the server does work; sleeping and waiting do not move it."""
        return self._server(at).ask(sql.progress_mark())[0]

    def _server(self, at: DatabaseAt) -> Server:
        return find(self._host, at)


def _restore(server: Server, dump: Path, database: str, progress: Callable[[int], None]) -> None:
    DumpReader(dump, progress).check()
    record = read_record(dump)
    if record is not None:
        server.work(sql.add_roles(record.roles), 60)
    chunks = DumpReader(dump, progress).chunks()
    ended = server.stream(_RESTORE, _LONG, database=database, feed=chunks)
    if ended.exit_code:
        raise _failed(server, ended) or _damage(server, dump) or Unrestorable(dump, refusal(ended))


def _damage(server: Server, dump: Path) -> AgentError | None:
    """The damage of a dump that was not restored; None where it is what was written."""
    if read_record(dump) is not None:
        return None  # its hash was compared before
    read = server.stream(_READ, _LONG, feed=DumpReader(dump, lambda _: None).chunks())
    return corrupt(dump, read.complaints[-400:]) if read.exit_code else None


def _undisturbed(server: Server, at: DatabaseAt, statements: str, patience: float) -> None:
    """Runs statements that begin by ending sessions, again when one sneaks in."""
    for _ in range(_TRIES):
        try:
            server.work(statements, patience)
        except Occupied:
            continue
        return
    raise _busy(server, at)


def _busy(server: Server, at: DatabaseAt) -> RetryLater:
    """What does not leave the application's database alone, by its name where that is known."""
    state = state_of(server, at, server.app)
    for reason in against_an_exchange(state) if state else ():
        return RetryLater(reason.message, code=BUSY, advice=reason.advice)
    there = [one for one in server.sessions() if one.database == server.app]
    return RetryLater(
        f"clients reconnect to the database {server.app} faster than their sessions can be ended:"
        f" {held_in_words(there)}",
        code=BUSY,
        advice="stop what else uses the database: an administration tool, a cron job",
    )


def _occupied(server: Server, at: DatabaseAt, name: str, words: str) -> NeedsOperator:
    state = state_of(server, at, name)
    known = against_a_drop(state) if state else None
    return known or NeedsOperator(
        f"cannot drop {name}, which an update left behind: {words}",
        code=OCCUPIED,
        advice="stop what uses it: an administration tool, a cron job",
    )


def _failed(server: Server, ended: Ended) -> AgentError | None:
    """What stopped pg_dump or pg_restore, if it was not the dump: disk or server."""
    # These programs pass on the server's words without its code; this text is the C library's.
    if os.strerror(errno.ENOSPC) in ended.complaints:
        return disk_full(ended.complaints[-400:])
    if is_full(ended.complaints):
        return server.no_connection()
    try:
        server.ask("SELECT 1;")
    except AgentError as error:
        return error
    return None


def _partial(name: str) -> str:
    return _checked(name) + _PARTIAL


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name.endswith(_PARTIAL):
        raise NeedsOperator(f"{name[:80]!r} cannot name a database here", code="database.name")
    return name
