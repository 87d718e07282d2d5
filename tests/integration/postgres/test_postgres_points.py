"""Rollback points in a real PostgreSQL."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from signal import SIGKILL

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from koprogo_agent.errors import NeedsOperator
from tests.integration.postgres.server import (
    ASIDE,
    DIGEST,
    POINT,
    Postgres,
    Writer,
    agent,
)
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real


class TestPoints:
    """A point is whole or not there; the way back is one transaction."""

    def test_there_and_back(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """What was changed after the point is undone by the swap, and kept aside."""
        before = stack.sql(DIGEST)
        adapter.make_point(stack.at, POINT)
        assert adapter.has_database(stack.at, POINT)
        stack.sql("DELETE FROM charge WHERE id > 5")
        adapter.swap_back(stack.at, POINT, ASIDE)
        assert stack.sql(DIGEST) == before
        assert stack.sql("SELECT count(*) FROM charge", ASIDE) == 5
        adapter.swap_back(stack.at, POINT, ASIDE)
        assert stack.sql(DIGEST) == before
        for _ in range(2):
            adapter.drop(stack.at, ASIDE)
        assert stack.databases() == {"koprogo_db"}

    def test_under_a_writer_that_comes_back(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """A client that reconnects at once stops neither copy nor swap; the point loses no row."""
        with Writer(stack) as writer:
            before = writer.acknowledged
            adapter.make_point(stack.at, POINT)
            copied = stack.sql("SELECT count(*) FROM written", POINT)
            goes_on = writer.acknowledged
            wait_until(lambda: writer.acknowledged > goes_on, 30, "the writer to go on")
            adapter.swap_back(stack.at, POINT, ASIDE)
            after = stack.sql("SELECT count(*) FROM written")
        assert before <= copied <= after
        assert stack.sql("SELECT count(*) = max(id) FROM written") is True
        assert stack.databases() == {"koprogo_db", ASIDE}

    def test_an_interrupted_copy_is_no_point(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """Killed while it copies: no point, an application that can connect, and a second try."""
        stack.sql("INSERT INTO charge (label) SELECT md5(i::text) FROM generate_series(1,900000) i")
        copying = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%'"
        with agent(stack, f"make_point(at, {POINT!r})") as process:
            wait_until(lambda: stack.sql(copying, "template1") == 1, 30, "the copy to begin")
            process.send_signal(SIGKILL)
        assert not adapter.has_database(stack.at, POINT)
        assert stack.sql("SELECT count(*) FROM charge") == 920_000
        assert not adapter.has_database(stack.at, POINT)
        adapter.make_point(stack.at, POINT)
        assert stack.databases() == {"koprogo_db", POINT}
        assert stack.sql(DIGEST, POINT) == stack.sql(DIGEST)

    def test_killed_anywhere(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """Killed at twelve moments of point and swap: the application's database is always one."""
        before = stack.sql(DIGEST)
        both = f"make_point(at, {POINT!r}); ContainerPostgres({stack.host!r})"
        both += f".swap_back(at, {POINT!r}, {ASIDE!r})"
        for moment in range(12):
            with agent(stack, both) as process:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.3 + moment * 0.12)
                process.send_signal(SIGKILL)
            pointed = adapter.has_database(stack.at, POINT)
            assert stack.sql(DIGEST) == before
            if pointed:
                adapter.swap_back(stack.at, POINT, ASIDE)
                assert stack.sql(DIGEST) == before
            for name in (POINT, ASIDE):
                adapter.drop(stack.at, name)
            assert stack.databases() == {"koprogo_db"}

    def test_a_point_is_never_overwritten(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """It may be the only way back: a second one of its name is refused."""
        adapter.make_point(stack.at, POINT)
        stack.sql("DELETE FROM charge")
        with pytest.raises(NeedsOperator) as caught:
            adapter.make_point(stack.at, POINT)
        assert caught.value.code == "database.exists"
        assert stack.sql("SELECT count(*) FROM charge", POINT) == 20_000

    def test_no_point_no_way_back(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """Without point and without anything aside, nothing is renamed."""
        with pytest.raises(NeedsOperator) as caught:
            adapter.swap_back(stack.at, POINT, ASIDE)
        assert caught.value.code == "database.point_missing"
        assert stack.databases() == {"koprogo_db"}
