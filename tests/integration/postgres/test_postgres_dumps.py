"""Dumps of a real PostgreSQL: whole or not there, and every row comes back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from signal import SIGKILL

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from koprogo_agent.backup_record import read_record
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import TO_MEND_A_RESTORE, Unrestorable
from tests.integration.postgres.server import (
    ASIDE,
    DIGEST,
    Postgres,
    agent,
    dumped,
    server,
    unseen,
)
from tests.lab.engine import Engine
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real

FUNCTION = (
    "CREATE FUNCTION counted(text DEFAULT '') RETURNS bigint IMMUTABLE LANGUAGE sql"
    " AS 'SELECT count(*) FROM charge';"
)
VIEW = "CREATE MATERIALIZED VIEW totals AS SELECT counted() AS n"
INDEX = "CREATE TABLE own (a text); INSERT INTO own VALUES ('x'); CREATE INDEX ON own (counted(a))"
CHECK = "CREATE TABLE own (a text CHECK (counted(a) > 0)); INSERT INTO own VALUES ('x')"


class TestDumps:
    """A dump is whole or not there, and every row of it comes back."""

    def test_every_row_owner_and_grant_comes_back(
        self, engine: Engine, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """From a dump into another, empty cluster: rows, sequences, roles' names, grants."""
        stack.sql('DROP ROLE IF EXISTS "Syn-dic"; CREATE ROLE "Syn-dic" LOGIN PASSWORD \'x\'')
        stack.sql('GRANT SELECT ON charge TO "Syn-dic"; CREATE TABLE own (a int);')
        stack.sql('ALTER TABLE own OWNER TO "Syn-dic"')
        told: list[int] = []
        dump = adapter.dump(stack.at, tmp_path / "0001-test.dump", told.append)
        assert told.pop() == dump.size == dump.path.stat().st_size
        adapter.verify(stack.at, dump.path, told.append)
        assert told.pop() == dump.size
        assert dump.path.stat().st_mode & 0o777 == 0o600
        with server(engine, "koprogo_db") as other:
            adapter.restore(other.at, dump.path, told.append)
            assert told.pop() == dump.size
            assert other.sql(DIGEST) == stack.sql(DIGEST)
            assert other.sql("INSERT INTO charge DEFAULT VALUES RETURNING id") == 20_001
            grants = "SELECT has_table_privilege('Syn-dic', 'charge', 'SELECT')"
            assert other.sql(grants) is True
            assert other.sql("SELECT tableowner FROM pg_tables WHERE tablename='own'") == "Syn-dic"
            assert other.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname='Syn-dic'") is False
        stack.sql('DROP OWNED BY "Syn-dic"; DROP ROLE "Syn-dic"')

    def test_a_restore_never_mixes(
        self, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """A database that holds something is not restored into."""
        dump = dumped(adapter, stack, tmp_path)
        with pytest.raises(NeedsOperator) as caught:
            adapter.restore(stack.at, dump.path, unseen)
        assert caught.value.code == "database.not_empty"

    @pytest.mark.parametrize("recorded", [True, False])
    @pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
    def test_a_damaged_dump_is_refused(
        self,
        stack: Postgres,
        adapter: ContainerPostgres,
        tmp_path: Path,
        damage: str,
        recorded: object,
    ) -> None:
        """By the recorded hash, and without it by pg_restore; nothing of it is restored."""
        dump = dumped(adapter, stack, tmp_path)
        content = dump.path.read_bytes()
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        damaged = {"truncated": content[:-1], "flipped": flipped, "empty": b""}[damage]
        dump.path.write_bytes(damaged)
        if not recorded:
            dump.path.with_name(dump.path.name + ".json").unlink()
        stack.sql("DROP TABLE charge")
        for act in (adapter.verify, adapter.restore):
            with pytest.raises(StepFailed) as caught:
                act(stack.at, dump.path, unseen)
            assert caught.value.code == "backup.corrupt"
        assert stack.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0

    @pytest.mark.parametrize("recorded", [True, False])
    @pytest.mark.parametrize("spoilt", [VIEW, INDEX, CHECK], ids=["view", "index", "check"])
    def test_a_whole_dump_that_cannot_be_restored(
        self,
        engine: Engine,
        stack: Postgres,
        adapter: ContainerPostgres,
        tmp_path: Path,
        spoilt: str,
        recorded: object,
    ) -> None:
        """What relies on search_path, which a restore empties; it is not called damaged."""
        stack.sql(f"{FUNCTION} {spoilt}")
        dump = dumped(adapter, stack, tmp_path)
        if not recorded:
            dump.path.with_name(dump.path.name + ".json").unlink()
        adapter.verify(stack.at, dump.path, unseen)
        with pytest.raises(Unrestorable) as caught:
            adapter.replace(stack.at, dump.path, ASIDE, unseen)
        assert 'ERROR: relation "charge" does not exist' in caught.value.why
        assert "\n" not in caught.value.message
        assert caught.value.message.startswith(f"the backup {dump.path.name} cannot be restored: ")
        assert stack.sql("SELECT count(*) FROM charge") == 20_000
        with server(engine, "koprogo_db") as other, pytest.raises(Unrestorable):
            adapter.restore(other.at, dump.path, unseen)

    def test_what_is_typed_makes_it_restorable(
        self, engine: Engine, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """The function gets a search_path of its own."""
        stack.sql(f"{FUNCTION} {VIEW}")
        assert "ALTER FUNCTION NAME SET search_path = public" in TO_MEND_A_RESTORE
        stack.sql("ALTER FUNCTION counted SET search_path = public")
        dump = dumped(adapter, stack, tmp_path)
        with server(engine, "koprogo_db") as other:
            adapter.restore(other.at, dump.path, unseen)
            assert other.sql("SELECT n FROM totals") == 20_000

    def test_what_pg_restore_would_accept(
        self, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """A dump without compression has no checksum: a changed row shows only by the record."""
        dump = dumped(adapter, stack, tmp_path)
        made = stack.container.exec_run(
            ["pg_dump", "-U", "koprogo", "-Fc", "-Z0", "koprogo_db"], stderr=False
        )
        assert isinstance(made.output, bytes)
        changed = made.output.replace(b"fonds n\xc2\xb0 777 ", b"fonds n\xc2\xb0 778 ")
        assert changed != made.output
        dump.path.write_bytes(changed)
        with pytest.raises(StepFailed):
            adapter.verify(stack.at, dump.path, unseen)
        dump.path.with_name(dump.path.name + ".json").unlink()
        adapter.verify(stack.at, dump.path, unseen)

    def test_a_second_dump_of_a_name_replaces_the_first(
        self, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """File and record always belong together."""
        first = dumped(adapter, stack, tmp_path)
        stack.sql("DELETE FROM charge WHERE id > 10")
        second = dumped(adapter, stack, tmp_path)
        record = read_record(second.path)
        assert first.path == second.path
        assert record is not None
        assert record.sha256 == second.sha256 != first.sha256
        adapter.verify(stack.at, second.path, unseen)

    def test_a_failing_dump_leaves_nothing(
        self, stack: Postgres, engine: Engine, tmp_path: Path
    ) -> None:
        """A table that is locked for too long fails the dump; no file, and no session stays."""
        target = tmp_path / "0001-test.dump"
        with stack.connect() as holder:
            holder.execute("LOCK TABLE charge IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(RetryLater) as caught:
                ContainerPostgres(engine.host, stall=1.0).dump(stack.at, target, lambda _: None)
        assert caught.value.code == "backup.failed"
        assert list(tmp_path.iterdir()) == []

    def test_a_server_that_freezes_is_given_up(
        self, stack: Postgres, engine: Engine, tmp_path: Path
    ) -> None:
        """When no byte comes any more the dump ends with a reason, and nothing stays."""
        stack.sql("INSERT INTO charge (label) SELECT md5(i::text) FROM generate_series(1,400000) i")

        frozen: list[int] = []

        def freeze(size: int) -> None:
            if not frozen:  # what was on its way already may still come
                stack.container.pause()
                frozen.append(size)

        try:
            with pytest.raises(RetryLater) as caught:
                ContainerPostgres(engine.host, stall=1.0).dump(
                    stack.at, tmp_path / "0001-test.dump", freeze
                )
        finally:
            stack.container.unpause()
        assert caught.value.code == "database.stalled"
        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_of_the_agent(
        self, stack: Postgres, adapter: ContainerPostgres, tmp_path: Path
    ) -> None:
        """A dump that does not fit says so, and gives its space back."""
        mount = tmp_path / "tiny"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", mount], check=True)
        try:
            with pytest.raises(NeedsOperator) as caught:
                dumped(adapter, stack, mount)
            assert list(mount.iterdir()) == []
        finally:
            subprocess.run(["umount", mount], check=True)
        assert caught.value.code == "disk.full"

    def test_killed_while_dumping(self, stack: Postgres, tmp_path: Path) -> None:
        """A killed agent leaves only what the next start tidies away, and no session for long."""
        stack.sql("INSERT INTO charge (label) SELECT md5(i::text) FROM generate_series(1,400000) i")
        target = tmp_path / "0001-test.dump"
        partial = target.with_name(target.name + ".partial")
        call = f"dump(at, Path({str(target)!r}), lambda _: None)"
        with agent(stack, call) as process:
            wait_until(lambda: partial.exists() and partial.stat().st_size > 0, 30, "the dump")
            process.send_signal(SIGKILL)
        assert list(tmp_path.iterdir()) == [partial]
