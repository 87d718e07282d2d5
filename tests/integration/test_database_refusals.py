# ruff: noqa: S608 - statements are made of names that the lab has chosen
"""What PostgreSQL refuses to copy, to serve or to drop, told beforehand, on real parts.

One stack goes through all of it; every test leaves it as sound as it found it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from koprogo_agent import docker_api
from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.database import OCCUPIED
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import Failure, RetryLater
from koprogo_agent.ports import BUSY, DatabaseAt
from koprogo_agent.update.scratch import AGAIN_AFTER, Leftover, read_leftovers
from tests.instance import PATIENT_GATE, Instance, Seen
from tests.lab import images, oci
from tests.lab.client import Client, Tally
from tests.lab.processes import wait_until
from tests.lab.recipes import OTHER_DATABASE, Kind
from tests.lab.stack import DATABASE, DATABASE_USER, Stack
from tests.scenes import installed, lives

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SUBSCRIBE = (
    "CREATE SUBSCRIPTION elsewhere CONNECTION 'host=127.0.0.1 dbname=x' PUBLICATION p"
    " WITH (connect = false, slot_name = NONE)"
)
VIEW = (
    "CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM buildings';"
    " CREATE MATERIALIZED VIEW totals AS SELECT counted() AS n"
)
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parent


@pytest.fixture(scope="module")
def site(instance: Instance) -> Instance:
    """An instance whose server allows prepared transactions and logical replication."""
    stack = instance.lab.stack
    stack.psql("ALTER SYSTEM SET max_prepared_transactions = 5")
    stack.psql("ALTER SYSTEM SET wal_level = logical")
    # The backend with it: the connections of its pool have ended.
    stack.compose(stack.tree, "restart", "-t", "5", "postgres", "backend")
    stack.up(stack.tree)
    lab = instance.lab
    oci.push(images.postgres_by_name(16, "plpgsql"), lab.registry, "lab/postgres", [OTHER_DATABASE])
    oci.push(images.postgres_by_name(15, "plpgsql"), lab.registry, "lab/postgres", ["15-slim"])
    return instance.changed(gate=PATIENT_GATE, rehearsal={"when": "never"})


def brought(site: Instance, kind: Kind) -> tuple[Outcome | None, Seen, Tally, bool]:
    """Publishes a release and lets the agent act while users ask; also whether it is blamed."""
    tag, seen = site.lab.publisher.publish(kind).tag, Seen()
    with Client(site.lab.stack, rate=20, connections=4) as client, site.engine(seen) as engine:
        ran = engine.tick()
        blamed = tag in {one.tag for one in engine.memory.quarantined().values()}
    return (ran.outcome if ran else None), seen, client.tally(), blamed


def failed(tally: Tally) -> list[int]:
    """The answers that users should not have had."""
    return [one.status for one in tally.samples if not one.ok]


def refused(site: Instance, kind: Kind = Kind.GOOD_WITH_MIGRATION) -> Failure:
    """The one failure of a release that is refused before anything is held, and not blamed."""
    before = lives(site.lab.stack)
    _, seen, tally, blamed = brought(site, kind)
    assert not blamed
    assert lives(site.lab.stack) == before
    assert "hold" not in seen.actions
    assert failed(tally) == []
    (failure,) = seen.failures
    return failure


def at(site: Instance) -> DatabaseAt:
    """Where its database is."""
    return DatabaseAt(site.lab.stack.project, "postgres")


def doctor(site: Instance) -> str:
    """What the doctor says."""
    return " ".join(site.type("doctor").stdout.split())


def host_of(stack: Stack) -> str:
    """The address of the database's container."""
    found = docker_api.read(stack.docker_host, f"/containers/{stack.name}-postgres/json")
    return next(str(one["IPAddress"]) for one in found["NetworkSettings"]["Networks"].values())


@contextmanager
def consumer(stack: Stack, slot: str) -> Iterator[None]:
    """Somebody who reads from a replication slot, and comes back when thrown out."""
    words = ("--slot", slot, "--start", "-f", "/dev/null", "-h", host_of(stack))
    command = (PROGRAMS / "pg_recvlogical", *words, "-U", DATABASE_USER, "-d", DATABASE)
    with subprocess.Popen(command, env={"PGPASSWORD": stack.password}) as process:
        active = "SELECT active FROM pg_replication_slots"
        wait_until(lambda: stack.psql(active) == "t", 30, "the consumer to connect")
        try:
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def session(stack: Stack) -> Iterator[psycopg.Connection]:
    """A session of somebody at a keyboard."""
    with psycopg.connect(
        host=host_of(stack),
        user=DATABASE_USER,
        password=stack.password,
        dbname=DATABASE,
        application_name="pgcli",
    ) as one:
        yield one


def prepare(stack: Stack) -> None:
    """Somebody prepares a transaction and leaves."""
    with session(stack) as one:
        one.autocommit = True
        one.execute("CREATE TABLE IF NOT EXISTS waits (id int)")
        one.execute("BEGIN")
        one.execute("INSERT INTO waits VALUES (1)")
        one.execute("PREPARE TRANSACTION 'of the bank'")


def test_a_collation_of_another_image(site: Instance) -> None:
    """As after a move from Debian's image to Alpine's; then what the message says is typed."""
    stack = site.lab.stack
    stack.psql(f"UPDATE pg_database SET datcollversion = '2.31' WHERE datname = '{DATABASE}'")
    failure = refused(site)
    assert (failure.kind, failure.code) == ("NeedsOperator", "database.collation")
    assert "2.31" in failure.message
    assert "2.31" in doctor(site)
    forget = f"UPDATE pg_database SET datcollversion = NULL WHERE datname = '{DATABASE}'"
    assert failure.advice.endswith(f'-d {DATABASE} -c "{forget}"')
    stack.psql(forget)
    assert brought(site, Kind.GOOD_WITH_MIGRATION)[0] is Outcome.COMMITTED


def test_a_prepared_transaction(site: Instance) -> None:
    """It outlives its session and cannot be ended with it."""
    stack = site.lab.stack
    prepare(stack)
    failure = refused(site)
    assert (failure.kind, failure.code) == ("NeedsOperator", "database.prepared")
    statement = "ROLLBACK PREPARED 'of the bank'"
    assert failure.advice.endswith(f'-c "{statement}"')
    assert statement in doctor(site)
    stack.psql(statement)


def test_an_active_slot_and_an_unused_one(site: Instance) -> None:
    """A consumer comes back when it is thrown out; an unused slot is only said to be lost."""
    stack = site.lab.stack
    stack.psql("SELECT pg_create_logical_replication_slot('reports', 'test_decoding')")
    try:
        with consumer(stack, "reports"):
            failure = refused(site)
        assert (failure.kind, failure.code) == ("NeedsOperator", "database.slot_active")
        assert "reports" in failure.message
        wait_until(
            lambda: stack.psql("SELECT active FROM pg_replication_slots") == "f", 30, "its end"
        )
        assert "the replication slot reports of koprogo_db is lost if" in doctor(site)
    finally:
        stack.psql("SELECT pg_drop_replication_slot('reports')")


def test_a_subscription_that_writes(site: Instance) -> None:
    """What its worker writes during the update would be lost on the way back."""
    stack = site.lab.stack
    stack.psql(SUBSCRIBE.replace("slot_name = NONE", "slot_name = 'theirs'"))
    stack.psql("ALTER SUBSCRIPTION elsewhere ENABLE")
    try:
        failure = refused(site)
        assert (failure.kind, failure.code) == ("NeedsOperator", "database.subscription")
        assert failure.advice.endswith('-c "ALTER SUBSCRIPTION elsewhere DISABLE"')
    finally:
        stack.psql("ALTER SUBSCRIPTION elsewhere DISABLE")
        stack.psql("ALTER SUBSCRIPTION elsewhere SET (slot_name = NONE)")
        stack.psql("DROP SUBSCRIPTION elsewhere")


def test_an_open_transaction_is_seen(site: Instance) -> None:
    """Of one that has written, who holds it and since when; not of the agent's own sessions."""
    with session(site.lab.stack) as one, site.engine() as engine:
        assert engine.world.database.state(at(site)).transactions == ()
        one.execute("CREATE TABLE half (id int)")
        (found,) = engine.world.database.state(at(site)).transactions
        one.rollback()
    assert "(pgcli)" in found.who
    assert 0 <= found.seconds < 60
    assert found.process > 0


def test_another_major_version(site: Instance) -> None:
    """A dump restores into it, and it does not start on the data: the release's own fault."""
    before = lives(site.lab.stack)
    outcome, seen, tally, blamed = brought(site, Kind.OTHER_DATABASE)
    assert blamed
    assert outcome is Outcome.CANCELLED
    assert [(one.kind, one.code) for one in seen.failures] == [("StepFailed", "database.major")]
    assert "is PostgreSQL 16, and the data here is of 15" in seen.failures[0].message
    assert failed(tally) == []
    assert lives(site.lab.stack) == before


@pytest.mark.parametrize(
    ("tag", "code"), [("15-slim", "database.extension"), ("16", "database.major")]
)
def test_an_image_of_the_operator(site: Instance, tmp_path: Path, tag: str, code: str) -> None:
    """It is not the release that names it: nobody is blamed for the image in an override file."""
    stack, override = site.lab.stack, tmp_path / "override.yml"
    override.write_text(f"services:\n  postgres:\n    image: {stack.registry}/lab/postgres:{tag}\n")
    stack.psql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    failure = refused(site.changed(stack={"overrides": [str(override)]}), Kind.GOOD)
    assert (failure.kind, failure.code) == ("NeedsOperator", code)
    assert f"lab/postgres:{tag}" in failure.message


def test_a_leftover_that_cannot_be_dropped(site: Instance) -> None:
    """A subscription lives in what a release that failed left: all else goes on."""
    stack = site.lab.stack
    stack.psql(SUBSCRIBE)
    was = installed(site)
    assert brought(site, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION)[0] is Outcome.ROLLED_BACK
    assert installed(site) == was
    with site.changed(backup={"daily_at": "00:00"}).engine() as engine:
        engine.tick()
        engine.tick()
        assert [one for one in engine.world.files.backups() if one.label.startswith("daily-")]
        ((name, left),) = read_leftovers(engine.journal).items()
    assert left.failure.code == OCCUPIED
    assert f"cannot drop {name}" in left.failure.message
    assert "the subscription elsewhere lives in it" in left.failure.message
    assert left.failure.message in doctor(site)
    assert brought(site, Kind.GOOD_WITH_MIGRATION)[0] is Outcome.COMMITTED
    databases = "SELECT datname FROM pg_database WHERE datname LIKE 'koprogo_agent_%'"
    assert stack.psql(databases) == name
    stack.psql("DROP SUBSCRIPTION elsewhere", name)
    with site.engine() as engine:
        tried = datetime.now(UTC) - AGAIN_AFTER - timedelta(minutes=1)
        engine.journal.put("leftovers", {name: Leftover(tried, left.failure)})
        engine.tick()
        assert read_leftovers(engine.journal) == {}
    assert stack.psql(databases) == ""


def test_a_backup_that_cannot_be_restored(site: Instance) -> None:
    """A view relies on search_path: one word for it everywhere, no outage, no release blamed."""
    stack = site.lab.stack
    tried = site.changed(rehearsal={"when": "always"})
    stack.psql(VIEW)
    failure = refused(tried)
    assert (failure.kind, failure.code) == ("RetryLater", "rehearsal.unavailable")
    assert "cannot be restored: ERROR: relation" in failure.message
    assert "ALTER FUNCTION" in failure.advice
    with tried.engine() as engine:
        noted = [one for one in engine.world.files.backups() if one.unrestorable][-1]
    said = f"{noted.path.name} cannot be restored"
    for words in (
        ("status",),
        ("doctor",),
        ("backup", "list"),
        ("backup", "verify", noted.path.name),
    ):
        printed = " ".join(tried.type(*words).stdout.split())
        assert said in printed, (words, printed)
    before = lives(stack)
    done = tried.type("backup", "restore", noted.path.name, "--yes")
    assert done.returncode == Exit.OPERATOR
    assert said in " ".join(done.stderr.split())
    assert lives(stack) == before
    with Client(stack, rate=20, connections=4) as client:
        done = tried.type("backup", "restore", noted.path.name, "--yes", "--although-unrestorable")
    assert done.returncode != Exit.DONE
    assert said in " ".join(done.stdout.split())
    assert client.lost(stack) == frozenset()
    assert stack.psql("SELECT n IS NOT NULL FROM totals") == "t"
    stack.psql("ALTER FUNCTION counted() SET search_path = public")
    assert brought(tried, Kind.GOOD_WITH_MIGRATION)[0] is Outcome.COMMITTED
    assert "cannot be restored" not in " ".join(tried.type("status").stdout.split())
    stack.psql("DROP MATERIALIZED VIEW totals; DROP FUNCTION counted()")


def test_what_came_after_the_question(site: Instance) -> None:
    """The copy itself says what is in its way; it is nobody's fault, and passes."""
    stack = site.lab.stack
    prepare(stack)
    with site.engine() as engine:
        with pytest.raises(
            RetryLater, match="has prepared the transaction 'of the bank'"
        ) as raised:
            engine.world.database.make_point(at(site), "koprogo_agent_point_99")
        stack.psql("ROLLBACK PREPARED 'of the bank'")
    assert raised.value.code == BUSY
