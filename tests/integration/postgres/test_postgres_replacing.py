"""What takes the place of the application's database."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from koprogo_agent.backup_record import write_record
from koprogo_agent.errors import NeedsOperator, StepFailed
from tests.integration.postgres.server import (
    ASIDE,
    DIGEST,
    POINT,
    Postgres,
    dumped,
    server,
    unseen,
)
from tests.lab.engine import Engine

pytestmark = pytest.mark.real


class TestReplacing:
    """A database that takes another's place behaves as that one did."""

    def test_settings_and_grants_go_with_the_data(
        self, stack: Postgres, adapter: ContainerPostgres
    ) -> None:
        """The point that takes the database's place behaves as the database did."""
        stack.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader")
        stack.sql(
            "REVOKE ALL ON DATABASE koprogo_db FROM PUBLIC;"
            "GRANT CONNECT ON DATABASE koprogo_db TO reader WITH GRANT OPTION;"
            "ALTER DATABASE koprogo_db SET search_path = 'A b', public;"
            "ALTER ROLE reader IN DATABASE koprogo_db SET work_mem = '5MB';"
            "ALTER DATABASE koprogo_db CONNECTION LIMIT 77"
        )
        facts = (
            "SELECT concat(datacl, datconnlimit, (SELECT string_agg(setconfig::text || setrole, ','"
            " ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))"
            " FROM pg_database d WHERE datname = 'koprogo_db'"
        )
        before = stack.sql(facts)
        adapter.make_point(stack.at, POINT)
        adapter.swap_back(stack.at, POINT, ASIDE)
        assert "A b" in before
        assert stack.sql(facts) == before
        adapter.drop(stack.at, ASIDE)
        stack.sql("DROP DATABASE koprogo_db WITH (FORCE)", "template1")
        stack.sql("DROP ROLE reader", "template1")

    def test_protected_names(self, stack: Postgres, adapter: ContainerPostgres) -> None:
        """The application's database and PostgreSQL's own are never dropped; names are checked."""
        for name in ("koprogo_db", "postgres", "template0", "template1"):
            with pytest.raises(NeedsOperator) as caught:
                adapter.drop(stack.at, name)
            assert caught.value.code == "database.protected"
        for name in ("", "A", 'a"; DROP', "x_partial", "a" * 60):
            with pytest.raises(NeedsOperator) as caught:
                adapter.drop(stack.at, name)
            assert caught.value.code == "database.name"

    def test_a_full_disk_of_the_database(self, engine: Engine, adapter: ContainerPostgres) -> None:
        """A copy that does not fit says so; the application goes on, nothing half-made stays."""
        volume = {"/var/lib/postgresql/data": "size=120m"}
        with server(engine, "koprogo_db", tmpfs=volume) as full:
            full.sql(
                "CREATE TABLE big AS SELECT repeat(md5(i::text), 60) FROM"
                " generate_series(1, 12000) i"
            )
            with pytest.raises(NeedsOperator) as caught:
                adapter.make_point(full.at, POINT)
            assert caught.value.code == "disk.full"
            adapter.drop(full.at, POINT)
            assert full.sql("SELECT count(*) FROM big") == 12_000
            assert full.databases() == {"koprogo_db"}

    def test_replacing_by_a_backup(
        self, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """A backup takes the database's place, with statistics; what was there is kept aside."""
        before = stack.sql(DIGEST)
        dump = dumped(adapter, stack, tmp_path)
        stack.sql("DELETE FROM charge WHERE id > 3")
        adapter.replace(stack.at, dump.path, POINT, unseen)
        assert stack.sql(DIGEST) == before
        assert stack.sql("SELECT count(*) FROM pg_stats WHERE tablename = 'charge'") > 0
        assert stack.sql("SELECT count(*) FROM charge", POINT) == 3
        adapter.swap_back(stack.at, POINT, ASIDE)
        assert stack.sql("SELECT count(*) FROM charge") == 3

    def test_replacing_by_a_damaged_backup(
        self, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """Nothing is exchanged when the backup is not whole."""
        dump = dumped(adapter, stack, tmp_path)
        content = dump.path.read_bytes()[:-100]
        dump.path.write_bytes(content)
        write_record(dump.path, "0" * 64, len(content), ())
        with pytest.raises(StepFailed):
            adapter.replace(stack.at, dump.path, ASIDE, unseen)
        assert stack.sql("SELECT count(*) FROM charge") == 20_000
        assert not adapter.has_database(stack.at, ASIDE)
