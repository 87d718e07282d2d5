"""A PostgreSQL in a container, an agent in a process, and a client that writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg

from koprogo_agent.adapters.postgres import ContainerPostgres
from koprogo_agent.ports import DatabaseAt, Dump
from tests.lab import tidy
from tests.lab.engine import Engine
from tests.lab.processes import wait_until

IMAGE = f"koprogo-lab-postgres:{os.getpid()}"
"""Of this process alone: others may use the same engine."""
PASSWORD = "a secret"
POINT, ASIDE = "koprogo_agent_point_1", "koprogo_agent_aside_1"
SCHEMA = """
    CREATE TABLE charge (id serial PRIMARY KEY, label text, amount numeric(12,2));
    INSERT INTO charge (label, amount)
    SELECT 'Appel de fonds n° ' || i || repeat(' é', 20), i / 3.0 FROM generate_series(1, {}) i;
    CREATE INDEX ON charge (label);
"""
DIGEST = "SELECT count(*) || md5(string_agg(c::text, ',' ORDER BY id)) FROM charge c"


class Postgres:
    """A PostgreSQL container that looks like one of a compose project."""

    def __init__(
        self,
        engine: Engine,
        app: str,
        environment: Mapping[str, str],
        tmpfs: Mapping[str, str],
    ) -> None:
        """Start it and wait until it answers."""
        self.host, self.app = engine.host, app
        self.client = engine.client()
        self.at = DatabaseAt(tidy.new_name(), "postgres")
        labels = {
            "com.docker.compose.project": self.at.project,
            "com.docker.compose.service": "postgres",
            "com.docker.compose.oneoff": "False",
        }
        self.user = environment.get("POSTGRES_USER", "postgres")
        self.network = self.client.networks.create(self.at.project)
        self.container = self.client.containers.run(
            IMAGE,
            detach=True,
            name=self.at.project,
            network=self.at.project,
            labels=labels,
            environment={"POSTGRES_PASSWORD": PASSWORD, **environment},
            tmpfs=dict(tmpfs),
        )
        self.wait()

    def wait(self) -> None:
        """Until the server answers over the network."""
        wait_until(self._answers, 60, "PostgreSQL to answer")

    def crash(self) -> None:
        """What a power cut does to it; afterwards it serves again."""
        self.container.kill()
        # To start what the engine does not know to have ended changes nothing.
        self.container.wait(timeout=60)
        self.container.start()
        self.wait()

    def close(self) -> None:
        """Remove the container and its network."""
        self.container.remove(force=True, v=True)
        self.network.remove()
        self.client.close()

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """A client's session over the network."""
        self.container.reload()
        networks = self.container.attrs["NetworkSettings"]["Networks"]
        address = networks[self.at.project]["IPAddress"]
        return psycopg.connect(
            host=address,
            user=self.user,
            password=PASSWORD,
            dbname=database or self.app,
            connect_timeout=5,
            # A test may have set limits for the role.
            options="-c statement_timeout=0 -c default_transaction_read_only=off",
        )

    def sql(self, statements: str, database: str | None = None) -> Any:  # noqa: ANN401 - any SQL value
        """Run statements; the first column of the last one's first row."""
        with self.connect(database) as session:
            session.autocommit = True
            cursor = session.execute(statements)
            while cursor.nextset():
                continue
            return (cursor.fetchone() or (None,))[0] if cursor.description else None

    def databases(self) -> set[str]:
        """The databases that are there."""
        listed = "SELECT string_agg(datname, ' ') FROM pg_database WHERE NOT datistemplate"
        return set(str(self.sql(listed, "template1")).split()) - {"postgres"}

    def fresh(self) -> None:
        """Empty the application's database and drop all others."""
        for name in self.databases():
            self.sql(f'DROP DATABASE "{name}" WITH (FORCE)', "template1")
        self.sql(f'CREATE DATABASE "{self.app}"', "template1")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), self.connect("template1"):
            return True
        return False


@contextmanager
def server(
    engine: Engine,
    app: str,
    *,
    environment: Mapping[str, str] | None = None,
    tmpfs: Mapping[str, str] | None = None,
) -> Iterator[Postgres]:
    """A server for the time of a block."""
    usual = {"POSTGRES_USER": "koprogo", "POSTGRES_DB": app}
    running = Postgres(engine, app, usual if environment is None else environment, tmpfs or {})
    try:
        yield running
    finally:
        running.close()


def unseen(_size: int) -> None:
    """Nobody watches the bytes."""


def dumped(adapter: ContainerPostgres, stack: Postgres, tmp_path: Path) -> Dump:
    """A dump of the application's database."""
    return adapter.dump(stack.at, tmp_path / "0001-test.dump", unseen)


@contextmanager
def agent(stack: Postgres, call: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that makes one call of the adapter."""
    program = (
        "from pathlib import Path\n"
        "from koprogo_agent.adapters.postgres import ContainerPostgres\n"
        "from koprogo_agent.ports import DatabaseAt\n"
        f"at = {stack.at!r}\nContainerPostgres({stack.host!r}).{call}\n"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        yield process


class Writer(threading.Thread):
    """A client that writes row after row, and comes back at once when it is thrown out."""

    def __init__(self, stack: Postgres) -> None:
        """Make the table it writes to."""
        super().__init__(daemon=True)
        stack.sql("CREATE TABLE written (id bigint PRIMARY KEY)")
        self.stack = stack
        self.acknowledged = 0
        self.ending = threading.Event()

    def run(self) -> None:
        """Write until the end."""
        while not self.ending.is_set():
            with suppress(psycopg.Error), self.stack.connect() as session:
                session.autocommit = True
                self.write(session)

    def write(self, session: psycopg.Connection) -> None:
        """One row after the other, in one session."""
        last = session.execute("SELECT coalesce(max(id), 0) FROM written").fetchone()
        number = last[0] if last else 0
        while not self.ending.is_set():
            number += 1
            session.execute("INSERT INTO written VALUES (%s)", [number])
            self.acknowledged = number

    def __enter__(self) -> Self:
        """Begin, and have written something."""
        self.start()
        wait_until(lambda: self.acknowledged > 50, 30, "the writer to write")
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.ending.set()
        self.join()


def ended(session: psycopg.Connection, statement: str) -> Callable[[], None]:
    """Runs a statement that is going to be cancelled."""

    def run() -> None:
        with suppress(psycopg.errors.QueryCanceled):
            session.execute(statement)

    return run
