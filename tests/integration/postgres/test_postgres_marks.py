"""What PostgreSQL's own counters tell."""

from __future__ import annotations

import threading

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from tests.integration.postgres.server import (
    Postgres,
    ended,
)
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real


def rows_written(stack: Postgres) -> int:
    """Rows ever written in the tables of users, as far as sessions have reported."""
    return int(
        stack.sql("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables")
    )


class TestMarks:
    """Whether users wrote, and whether the server works, is told from its own counters."""

    def test_one_row_is_noticed(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """One insert, update or delete shows, and is counted as one."""
        statements = ("INSERT INTO charge DEFAULT VALUES", "UPDATE charge SET label='' WHERE id=1")
        for statement in (*statements, "DELETE FROM charge WHERE id = 1"):
            mark, count = adapter.write_mark(stack.at), rows_written(stack)
            stack.sql(statement)
            assert adapter.wrote_since(stack.at, mark)
            assert rows_written(stack) == count + 1

    def test_reading_and_upkeep_are_no_writes(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """Sessions that come, read and go, checkpoints, VACUUM and ANALYZE do not count."""
        mark, count = adapter.write_mark(stack.at), rows_written(stack)
        for statement in ("SELECT count(*) FROM charge", "CHECKPOINT", "VACUUM", "ANALYZE"):
            stack.sql(statement)
        assert not adapter.wrote_since(stack.at, mark)
        assert rows_written(stack) == count

    def test_a_late_report_is_no_write(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """What an open session wrote before the mark is not held against it when it ends."""
        with stack.connect() as session:
            session.autocommit = True
            for _ in range(3):
                session.execute("INSERT INTO charge DEFAULT VALUES")
            mark, count = adapter.write_mark(stack.at), rows_written(stack)
        wait_until(lambda: rows_written(stack) > count, 30, "the report to arrive")
        assert not adapter.wrote_since(stack.at, mark)

    def test_a_transaction_that_was_open_at_the_mark(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """What commits after the mark is a write, whenever it began."""
        with stack.connect() as early:
            early.execute("INSERT INTO charge DEFAULT VALUES")
            stack.sql("CREATE TABLE later (a int)")
            mark = adapter.write_mark(stack.at)
        assert adapter.wrote_since(stack.at, mark)

    def test_a_crash_hides_no_write(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """A crash discards the counters; as many writes as before it still show."""
        stack.crash()
        mark = adapter.write_mark(stack.at)
        stack.sql("INSERT INTO charge DEFAULT VALUES")
        stack.crash()
        assert rows_written(stack) == 0
        assert adapter.wrote_since(stack.at, mark)

    def test_a_hang_makes_no_progress(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """A migration that sleeps or waits for a lock does not move the mark."""
        stack.sql("CHECKPOINT")
        with stack.connect() as sleeper, stack.connect() as holder, stack.connect() as waiter:
            holder.execute("LOCK TABLE charge")
            sleeping = threading.Thread(target=ended(sleeper, "SELECT pg_sleep(60)"))
            waiting = threading.Thread(target=ended(waiter, "DELETE FROM charge"))
            sleeping.start()
            waiting.start()
            marks = set()
            for _ in range(4):
                marks.add(adapter.progress_mark(stack.at))
                stack.sql("CHECKPOINT", "postgres")
            for session in (sleeper, waiter):
                session.cancel()
            sleeping.join()
            waiting.join()
        # The little that checkpoints write may cross one step of the mark.
        assert len(marks) <= 2

    def test_work_makes_progress(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """Rows being written move the mark before their transaction ends."""
        with stack.connect() as session:
            marks = set()
            for _ in range(3):
                session.execute("UPDATE charge SET label = label || 'x'")
                marks.add(adapter.progress_mark(stack.at))
        assert len(marks) == 3
