"""One PostgreSQL server in its container: who it is, and how to run its own programs there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.postgres import statements as sql
from koprogo_agent.adapters.postgres.channel import Ended, Program, run
from koprogo_agent.adapters.postgres.sessions import LISTING, is_full, parse
from koprogo_agent.errors import DISK_FULL, AgentError, NeedsOperator, RetryLater
from koprogo_agent.ports import NO_CONNECTION, DatabaseAt, Session, held_in_words

ASK_SECONDS = 60.0
CONNECTS_WITHIN = 5.0
"""Seconds to wait for a free connection; inside a hold, users wait as long."""
_NEXT_TRY = 0.5
_PROJECT, _SERVICE, _ONEOFF = (
    f"com.docker.compose.{name}" for name in ("project", "service", "oneoff")
)
_PSQL = ("psql", "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose")
_SQLSTATE = re.compile(r":\s+([0-9A-Z]{5}):\s")
_SCRIPT_FAILED = 3
_WHOLE = "koprogo-agent: that was all"
"""Ends each answer: one that got lost on the way must not be read as "there is none"."""
# What the operator set for the application's role or database must not end the agent's work.
_OPTIONS = (
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
    " -c default_transaction_read_only=off -c standard_conforming_strings=on"
    " -c client_min_messages=warning"
)
_TRANSIENT = ("08", "40", "53", "57")
"""Classes of SQLSTATE: connection lost, conflict, out of resources, operator intervention."""

_FOR_PEOPLE = {
    "42501": (
        "database.not_superuser",
        "POSTGRES_USER must be a superuser, as the official image makes it",
    ),
    "42P04": ("database.exists", "it may be the only way back; drop it only when you are sure"),
}


class Occupied(Exception):
    """Another session is in a database that must have none (SQLSTATE 55006)."""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL, reached through its container.

    Attributes:
        host: the engine's address.
        container: the container's id.
        app: the application's database.
        access: environment that lets libpq in.
    """

    host: str
    container: str
    app: str
    access: Mapping[str, str]

    @property
    def main(self) -> str:
        """The database to be connected to while the application's is exchanged."""
        return "template1" if self.app == "postgres" else "postgres"

    def ask(self, statement: str, database: str | None = None) -> list[str]:
        """The lines that a short question gives; `database` is the main one when left out."""
        return self._psql(statement, database or self.main, sql.ASKING, ASK_SECONDS)

    def sessions(self) -> tuple[Session, ...]:
        """Who is connected."""
        printed = bytearray()
        run(self.host, self.container, Program(LISTING, {}, ASK_SECONDS), (), printed.extend)
        return parse(printed.decode(errors="replace"))

    def no_connection(self) -> RetryLater:
        """The error that says who holds all connections."""
        return RetryLater(
            "all connections of the database are taken; they are held by"
            f" {held_in_words(self.sessions())}",
            code=NO_CONNECTION,
            advice="lower the pools of what holds them, or raise PostgreSQL's max_connections",
        )

    def work(self, statement: str, patience: float, database: str | None = None) -> None:
        """Runs statements that change something.

        Raises:
            Occupied: another session is in a database that must have none.
        """
        try:
            self._psql(statement, database or self.main, sql.WORKING, patience)
        except Occupied:
            raise
        except BaseException:
            self.end_stragglers()
            raise

    def stream(
        self,
        argv: Sequence[str],
        patience: float,
        *,
        database: str | None = None,
        feed: Iterable[bytes] = (),
        take: Callable[[bytes], None] = lambda _: None,
    ) -> Ended:
        """Runs one of PostgreSQL's programs, in the application's database unless told."""
        try:
            return self._run(argv, database or self.app, sql.WORKING, patience, feed, take)
        except BaseException:
            self.end_stragglers()
            raise

    def end_stragglers(self) -> None:
        """Ends the agent's own work in the server, as far as the server can be reached."""
        with suppress(AgentError, Occupied):
            self._psql(sql.end_stragglers(), self.main, sql.ASKING, ASK_SECONDS, connects_within=0)

    def _psql(
        self,
        statement: str,
        database: str,
        name: str,
        patience: float,
        connects_within: float = CONNECTS_WITHIN,
    ) -> list[str]:
        feed = (f"{statement}\n\\echo {_WHOLE}\n".encode(),)
        deadline = monotonic() + connects_within
        while True:
            printed = bytearray()
            ended = self._run(_PSQL, database, name, patience, feed, printed.extend)
            if not ended.exit_code:
                break
            if not is_full(ended.complaints):
                raise explained(ended, self.container)
            if monotonic() > deadline:
                raise self.no_connection()
            sleep(_NEXT_TRY)
        *lines, last = printed.decode().splitlines() or [""]
        if last != _WHOLE:
            raise RetryLater("the engine lost what the database answered", code="database.down")
        return lines

    def _run(
        self,
        argv: Sequence[str],
        database: str,
        name: str,
        patience: float,
        feed: Iterable[bytes],
        take: Callable[[bytes], None],
    ) -> Ended:
        # In the environment, not in argv: a name with `=` in it would be read as more than a name.
        environment = {**self.access, "PGDATABASE": database, "PGAPPNAME": name}
        program = Program(argv, environment, patience)
        return run(self.host, self.container, program, feed, take)


def explained(ended: Ended, container: str) -> AgentError | Occupied:
    """What follows from the end of psql, by the SQLSTATE and never by the words."""
    found = _SQLSTATE.search(ended.complaints)
    words = ended.complaints[-400:] or f"psql ended with exit code {ended.exit_code}"
    if ended.exit_code != _SCRIPT_FAILED or found is None:
        return RetryLater(
            f"the database does not answer: {words}",
            code="database.down",
            advice=_see_log(container),
        )
    return _judged(found[1], words, container)


def _judged(state: str, words: str, container: str) -> AgentError | Occupied:
    if state == "55006":
        return Occupied(words)
    if state == "53100":
        return disk_full(words)
    if state.startswith(_TRANSIENT):
        return RetryLater(
            f"the database could not do it now: {words}",
            code="database.down",
            advice=_see_log(container),
        )
    code, advice = _FOR_PEOPLE.get(state, ("database.failed", ""))
    return NeedsOperator(f"the database refused: {words}", code=code, advice=advice)


def _see_log(container: str) -> str:
    return f"see what it says: docker logs --tail 50 {container[:12]}"


def disk_full(words: str) -> NeedsOperator:
    """The disk under the database is full."""
    return NeedsOperator(
        f"the database's disk is full: {words}",
        code=DISK_FULL,
        advice="free some space on the disk that holds the database's volume: df -h;"
        " docker system df",
    )


def find(host: str, at: DatabaseAt) -> Server:
    """The running server of a compose service.

    Raises:
        RetryLater: no container of the service runs (`database.down`), or the engine is away.
    """
    labels = [f"{_PROJECT}={at.project}", f"{_SERVICE}={at.service}"]
    listed = docker_api.read(host, "/containers/json", filters=json.dumps({"label": labels}))
    ids = [one["Id"] for one in listed or () if one["Labels"].get(_ONEOFF) != "True"]
    found = docker_api.read(host, f"/containers/{ids[0]}/json") if ids else None
    if found is None:
        compose = f"docker compose -p {at.project}"
        raise RetryLater(
            f"the database's container ({at.service} of {at.project}) does not run",
            code="database.down",
            advice=f"start it: {compose} start {at.service}; if it stops again, see why:"
            f" {compose} logs --tail 50 {at.service}",
        )
    return _server(host, found)


def _server(host: str, container: Mapping[str, Any]) -> Server:
    """User, password and database by the rules of the official image's entry script."""
    given = dict(line.partition("=")[::2] for line in container["Config"]["Env"] or ())

    def value(name: str, default: str) -> str:
        secret = given.get(f"{name}_FILE")
        return _secret(host, container["Id"], secret) if secret else given.get(name) or default

    user = value("POSTGRES_USER", "postgres")
    password = value("POSTGRES_PASSWORD", "")
    access = {"PGUSER": user, "PGCONNECT_TIMEOUT": "15", "PGOPTIONS": _OPTIONS}
    if password:
        access["PGPASSWORD"] = password
    return Server(host, container["Id"], value("POSTGRES_DB", user), access)


def _secret(host: str, container: str, path: str) -> str:
    content = bytearray()
    program = Program(("cat", "--", path), {}, ASK_SECONDS)
    ended = run(host, container, program, (), content.extend)
    if ended.exit_code:
        raise RetryLater(f"cannot read {path} in the database's container", code="database.down")
    return content.decode().rstrip("\n")
