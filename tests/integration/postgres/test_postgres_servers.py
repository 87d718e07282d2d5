"""Which server and database, by real containers."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from koprogo_agent.errors import NeedsOperator, RetryLater
from koprogo_agent.ports import DatabaseAt
from tests.integration.postgres.server import (
    ASIDE,
    POINT,
    SCHEMA,
    Postgres,
    server,
)
from tests.lab.engine import Engine
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real


class TestServers:
    """Which server and database, and what happens when they are not as expected."""

    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"POSTGRES_USER": "Mr Kopro", "POSTGRES_DB": "host=x Go's"},
        ],
    )
    def test_unusual_names(
        self, engine: Engine, adapter: ContainerPostgres, environment: Mapping[str, str]
    ) -> None:
        """The image's defaults, where the application lives in `postgres`, and names to quote."""
        app = environment.get("POSTGRES_DB", "postgres")
        with server(engine, app, environment=environment) as odd:
            at = odd.at
            odd.sql(SCHEMA.format(10))
            adapter.make_point(at, POINT)
            odd.sql("DELETE FROM charge")
            adapter.swap_back(at, POINT, ASIDE)
            assert odd.sql("SELECT count(*) FROM charge") == 10
            adapter.drop(at, ASIDE)

    def test_names_from_secret_files(self, engine: Engine, adapter: ContainerPostgres) -> None:
        """POSTGRES_…_FILE is followed, as the official image does with compose's secrets."""
        environment = {"POSTGRES_USER_FILE": "/tmp/user", "POSTGRES_DB_FILE": "/tmp/db"}  # noqa: S108
        with server(engine, "postgres", environment=environment) as secretive:
            secretive.sql("CREATE DATABASE real_one", "template1")
            command = "echo postgres > /tmp/user; echo real_one > /tmp/db"
            secretive.container.exec_run(["sh", "-c", command])
            mark = adapter.write_mark(secretive.at)
            secretive.sql(SCHEMA.format(500), "real_one")
            assert adapter.wrote_since(secretive.at, mark)

    def test_a_user_who_is_not_superuser(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """What the agent could not finish is refused before sessions are ended."""
        stack.sql("DROP ROLE IF EXISTS boss; CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'x'")
        # In the catalog: from PostgreSQL 16 on, ALTER ROLE leaves the bootstrap superuser alone.
        stack.sql("SET ROLE boss; UPDATE pg_authid SET rolsuper = false WHERE rolname = 'koprogo'")
        try:
            with stack.connect() as session:
                with pytest.raises(NeedsOperator) as caught:
                    adapter.make_point(stack.at, POINT)
                session.execute("SELECT 1")
            assert caught.value.code == "database.not_superuser"
        finally:
            again = "UPDATE pg_authid SET rolsuper = true WHERE rolname = 'koprogo'"
            code, said = stack.container.exec_run(["psql", "-U", "boss", "-c", again, "postgres"])
            assert code == 0, said

    def test_a_server_that_is_away(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """A stopped container, a server that starts and a project that is not there: later."""
        nowhere = DatabaseAt("koprogo-adapter-none", "postgres")
        with pytest.raises(RetryLater) as caught:
            adapter.size(nowhere)
        assert caught.value.code == "database.down"
        stack.container.stop()
        with pytest.raises(RetryLater) as caught:
            adapter.size(stack.at)
        assert caught.value.code == "database.down"
        stack.container.start()
        codes = set()

        def answers() -> bool:
            try:
                return adapter.size(stack.at) > 0
            except RetryLater as error:
                codes.add(error.code)
                return False

        wait_until(answers, 60, "the adapter to get an answer")
        assert codes <= {"database.down"}

    def test_no_descriptor_is_left_open(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """A daemon asks for months."""
        adapter.progress_mark(stack.at)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(10):
            adapter.progress_mark(stack.at)
        gc.collect()  # the SDK's answers refer to themselves
        assert len(list(Path("/proc/self/fd").iterdir())) <= before

    def test_limits_of_the_role_do_not_bind_the_agent(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """A statement timeout or read-only default set for the application's role is overridden."""
        stack.sql(
            "ALTER ROLE koprogo SET statement_timeout = 1;"
            "ALTER DATABASE koprogo_db SET default_transaction_read_only = on"
        )
        try:
            adapter.make_point(stack.at, POINT)
            assert adapter.has_database(stack.at, POINT)
        finally:
            stack.sql("ALTER ROLE koprogo RESET statement_timeout")

    def test_an_answer_that_got_lost_is_not_taken_for_an_empty_one(
        self, engine: Engine, adapter: ContainerPostgres
    ) -> None:
        """Else a point that is there would be said not to be."""
        with server(engine, "koprogo_db") as mute:
            mute.sql(f"CREATE DATABASE {POINT}")
            assert adapter.has_database(mute.at, POINT)
            # As if the engine dropped what the program printed: it ends well and nothing comes.
            hush = 'p=$(command -v psql) && printf "#!/bin/sh\\nexit 0\\n" > $p'
            code, said = mute.container.exec_run(["sh", "-c", hush])
            assert code == 0, said
            with pytest.raises(RetryLater) as caught:
                adapter.has_database(mute.at, POINT)
            assert caught.value.code == "database.down"
