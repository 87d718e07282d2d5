"""Whether somebody has written is proved by PostgreSQL's transaction ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from tests.integration.postgres.server import Postgres
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real

THINGS = """
    CREATE TABLE outbox (id int); INSERT INTO outbox VALUES (1);
    CREATE UNLOGGED TABLE cache (id int);
    CREATE SEQUENCE numbers; SELECT nextval('numbers');
    SELECT lo_from_bytea(4711, 'draft');
"""
WRITES = (
    "INSERT INTO charge DEFAULT VALUES",
    "UPDATE charge SET label = '' WHERE id = 1",
    "DELETE FROM charge WHERE id = 2",
    "TRUNCATE outbox",
    "SELECT lo_put(4711, 0, 'FINAL')",
    "SELECT lo_unlink(4711)",
    "SELECT nextval('numbers')",
    "SELECT setval('numbers', 900)",
    "INSERT INTO cache VALUES (1)",
    "CREATE TABLE more (id int)",
    "ALTER TABLE outbox ADD COLUMN note text",
    "COMMENT ON TABLE charge IS 'calls'",
    "ALTER DATABASE koprogo_db SET work_mem = '5MB'",
    "CREATE ROLE somebody",
    "COPY outbox (id) FROM PROGRAM 'cat > /dev/null; echo 7'",
    "DO $$ BEGIN INSERT INTO outbox VALUES (3); ANALYZE outbox; END $$",
)
READS = (
    "SELECT count(*) FROM charge",
    "CHECKPOINT",
    "VACUUM",
    "SELECT pg_stat_reset()",
    "SELECT pg_advisory_lock(1)",
    "BEGIN; DECLARE c CURSOR FOR SELECT * FROM charge; FETCH 5 FROM c; COMMIT",
)


@pytest.fixture
def furnished(stack: Postgres) -> Postgres:
    """A database with something of each kind."""
    stack.sql("DROP ROLE IF EXISTS somebody", "template1")
    stack.sql(THINGS)
    return stack


@pytest.mark.parametrize("counts", ["on", "off"])
def test_each_kind_of_write(furnished: Postgres, adapter: ContainerPostgres, counts: str) -> None:
    """Whether PostgreSQL counts rows or not."""
    furnished.sql(f"ALTER DATABASE {furnished.app} SET track_counts = {counts}")
    unseen = []
    for statement in WRITES:
        mark = adapter.write_mark(furnished.at)
        furnished.sql(statement)
        if not adapter.wrote_since(furnished.at, mark):
            unseen.append(statement)
    assert unseen == []


def test_what_is_no_write(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """Reading, upkeep, and sessions that come and go."""
    furnished.sql("VACUUM")  # what the first one shortens, the next one does not
    mark = adapter.write_mark(furnished.at)
    for statement in READS:
        furnished.sql(statement)
    assert not adapter.wrote_since(furnished.at, mark)


def test_an_automatic_analyze_is_no_write(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """PostgreSQL does it by itself after a migration; a row that is written with it still shows."""
    furnished.sql("ALTER TABLE charge SET (autovacuum_analyze_threshold = 1)")
    with _set(furnished, "autovacuum = off", "autovacuum_naptime = '1s'"):
        for database in ("template1", "postgres", furnished.app):
            furnished.sql("VACUUM ANALYZE", database)  # its own catalogs have waited for it
        furnished.sql("UPDATE charge SET label = label || '.' WHERE id % 8 = 0")
        mark = adapter.write_mark(furnished.at)
        with _set(furnished, "autovacuum = on"):
            wait_until(
                lambda: _analyzed(furnished) > 0 and adapter.write_mark(furnished.at) != mark,
                60,
                "PostgreSQL to analyze the table",
            )
        assert not adapter.wrote_since(furnished.at, mark)
        furnished.sql("INSERT INTO charge DEFAULT VALUES")
        assert adapter.wrote_since(furnished.at, mark)


@contextmanager
def _set(stack: Postgres, *settings: str) -> Iterator[None]:
    """Settings of the server, for the time of a block."""
    for setting in settings:
        stack.sql(f"ALTER SYSTEM SET {setting}", "template1")
    stack.sql("SELECT pg_reload_conf()", "template1")
    try:
        yield
    finally:
        for setting in settings:
            stack.sql(f"ALTER SYSTEM RESET {setting.split()[0]}", "template1")
        stack.sql("SELECT pg_reload_conf()", "template1")


def _analyzed(stack: Postgres) -> int:
    counts = "SELECT autoanalyze_count FROM pg_stat_user_tables WHERE relname = 'charge'"
    return int(stack.sql(counts))


def test_a_late_report_is_no_write(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """What an open session wrote before the mark is not held against it when it ends."""
    with furnished.connect() as session:
        session.autocommit = True
        session.execute("INSERT INTO charge DEFAULT VALUES")
        mark = adapter.write_mark(furnished.at)
    assert not adapter.wrote_since(furnished.at, mark)


def test_a_transaction_that_was_open_at_the_mark(
    furnished: Postgres, adapter: ContainerPostgres
) -> None:
    """What commits after the mark is a write, whenever it began."""
    with furnished.connect() as early:
        early.execute("INSERT INTO charge DEFAULT VALUES")
        furnished.sql("CREATE TABLE later (a int)")
        mark = adapter.write_mark(furnished.at)
    assert adapter.wrote_since(furnished.at, mark)


def test_a_crash_hides_no_write(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """It discards the counters, and no transaction that was acknowledged."""
    mark = adapter.write_mark(furnished.at)
    furnished.sql("TRUNCATE outbox")
    furnished.crash()
    assert adapter.wrote_since(furnished.at, mark)


def test_a_crash_alone_is_no_write(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """Nobody wrote, whatever happened to the server."""
    furnished.sql("CHECKPOINT")
    mark = adapter.write_mark(furnished.at)
    furnished.crash()
    assert not adapter.wrote_since(furnished.at, mark)


def test_another_database_has_other_data(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """One of the same name is another one."""
    mark = adapter.write_mark(furnished.at)
    furnished.fresh()
    assert adapter.wrote_since(furnished.at, mark)


def test_a_mark_that_cannot_be_read(furnished: Postgres, adapter: ContainerPostgres) -> None:
    """Another version of the agent wrote it: not knowing counts as written."""
    assert adapter.wrote_since(furnished.at, "752:752:|16384|2026-11-30|12")
