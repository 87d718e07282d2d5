"""All connections taken, by a real server that grants 15."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import NO_CONNECTION, DatabaseAt
from tests.integration.postgres.server import ASIDE, POINT, SCHEMA, Postgres, dumped, server, unseen
from tests.lab.engine import Engine
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real

GRANTED = 15

Call = Callable[[ContainerPostgres, DatabaseAt, Path], object]

CALLS: dict[str, Call] = {
    "size": lambda one, at, _: one.size(at),
    "free_connections": lambda one, at, _: one.free_connections(at),
    "dump": lambda one, at, path: one.dump(at, path, unseen),
    "replace": lambda one, at, path: one.replace(at, path, ASIDE, unseen),
    "make_point": lambda one, at, _: one.make_point(at, POINT),
    "has_database": lambda one, at, _: one.has_database(at, POINT),
    "swap_back": lambda one, at, _: one.swap_back(at, POINT, ASIDE),
    "write_mark": lambda one, at, _: one.write_mark(at),
    "progress_mark": lambda one, at, _: one.progress_mark(at),
    "drop": lambda one, at, _: one.drop(at, ASIDE),
}


@pytest.fixture(scope="module")
def small(engine: Engine) -> Iterator[Postgres]:
    """A server that grants as many connections as KoproGo's."""
    with server(engine, "koprogo_db") as one:
        one.sql(SCHEMA.format(100))
        one.sql(f"ALTER SYSTEM SET max_connections = {GRANTED}")
        one.container.restart(timeout=10)
        one.wait()
        yield one


@pytest.fixture
def taken(small: Postgres) -> Iterator[list[psycopg.Connection]]:
    """Sessions of a superuser that hold all of them, the reserved ones too."""
    sessions: list[psycopg.Connection] = []
    with suppress(psycopg.OperationalError):
        while True:
            sessions.append(small.connect("template1"))
    yield sessions
    for one in sessions:
        one.close()
    wait_until(lambda: small.sql("SELECT 1") == 1, 30, "a connection to come free")


@pytest.mark.parametrize("call", CALLS)
def test_each_call_says_who_holds_them(
    adapter: ContainerPostgres,
    small: Postgres,
    taken: list[psycopg.Connection],
    tmp_path: Path,
    call: str,
) -> None:
    """Transient, under a code of its own; nothing is begun."""
    assert len(taken) == GRANTED
    with pytest.raises(RetryLater, match=rf"koprogo from [\d.]+ \(template1\): {GRANTED}") as told:
        CALLS[call](adapter, small.at, tmp_path / "0001-x.dump")
    assert told.value.code == NO_CONNECTION
    assert list(tmp_path.iterdir()) == []


def test_one_that_comes_free_in_time_is_taken(
    adapter: ContainerPostgres, small: Postgres, taken: list[psycopg.Connection], tmp_path: Path
) -> None:
    """A pool that shrinks, writers that were stopped a moment ago."""
    later = threading.Timer(2, taken.pop().close)
    later.start()
    assert dumped(adapter, small, tmp_path).size
    later.join()


def test_sessions_are_told_without_a_connection(
    adapter: ContainerPostgres, small: Postgres, taken: list[psycopg.Connection]
) -> None:
    """Whose they are, from where, and what they do."""
    taken[0].execute("SELECT 1")
    found = adapter.sessions(small.at)
    assert len(found) == GRANTED
    assert {(one.user, one.database) for one in found} == {("koprogo", "template1")}
    assert {one.state for one in found} == {"idle", "idle in transaction"}
