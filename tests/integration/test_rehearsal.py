"""The rehearsal on KoproGo's shape, with health checks every 30 s and storage that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import PATIENT_GATE, Instance, Seen
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind, MigrationStyle
from tests.lab.releases import Release
from tests.lab.stack import MIGRATIONS, QUICK
from tests.scenes import installed, lives

pytestmark = pytest.mark.real

COMES_ALONG = {"postgres", "minio", "minio-bootstrap", "backend"}
MAKE_TABLESPACE = (
    # It reads what it is sent: else PostgreSQL may still be writing when it has ended.
    "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; mkdir -p /tmp/fast'",
    "CREATE TABLESPACE fast LOCATION '/tmp/fast'",
)
MOVE_TABLES = """
    CREATE SCHEMA app;
    DO $$ DECLARE t record; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER TABLE public.%I SET SCHEMA app', t.tablename);
        END LOOP;
    END $$;
"""


@dataclass
class Looker(Seen):
    """A watcher that looks at the scratch stack while it is there."""

    instance: Instance | None = None
    containers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    networks: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def goes_on(self, note: str, done: int, total: int) -> None:  # noqa: ARG002 - the port's
        """Remembers what the engine tells of the scratch stack."""
        assert self.instance is not None
        lab = self.instance.lab
        label = {"label": f"com.docker.compose.project={lab.stack.project}-rehearsal"}
        with closing(lab.engine.client()) as client:
            for one in client.api.containers(all=True, filters=label):
                service = one["Labels"]["com.docker.compose.service"]
                self.containers[service] = client.api.inspect_container(one["Id"])
            for one in client.api.networks(filters=label):
                self.networks[one["Name"]] = one


def claims(lab: Lab, kind: Kind, version: str) -> Release:
    """Publishes a release whose manifest says that an older version works on its schema."""
    migrations = {"path": MIGRATIONS, "works_with": [version]}
    return lab.publisher.publish(kind, changes={"migrations": migrations})


def act(instance: Instance) -> tuple[Seen, Outcome | None]:
    """Lets the agent act. Nobody writes meanwhile: 15 connections are few, and users take them."""
    seen = Seen()
    with instance.engine(seen) as engine:
        ran = engine.tick()
    return seen, ran.outcome if ran else None


class EnoughSeenError(Exception):
    """The rehearsal is over; what follows has tests of its own."""


def stop_after_the_rehearsal(boundary: str, action: str) -> None:
    """Ends the operation where it would hold users' requests."""
    if (boundary, action) == ("after", "rehearse"):
        raise EnoughSeenError


def codes(seen: Seen) -> list[str]:
    """The codes of what failed."""
    return [one.code for one in seen.failures]


def left_of_it(lab: Lab) -> list[str]:
    """What the engine still has of the scratch stack."""
    label = {"label": f"com.docker.compose.project={lab.stack.project}-rehearsal"}
    with closing(lab.engine.client()) as client:
        found = [one["Id"] for one in client.api.containers(all=True, filters=label)]
        found += [one["Name"] for one in client.api.networks(filters=label)]
        found += [one["Name"] for one in client.api.volumes(filters=label)["Volumes"] or ()]
    return found


@pytest.fixture(scope="module")
def slow(lab_engine: Engine) -> Iterator[Instance]:
    """An installed stack whose health checks are KoproGo's own."""
    with Lab(lab_engine, shared=True) as lab:
        release = lab.publisher.publish(Kind.GOOD)
        lab.stack.write_env(release.version)
        instance = Instance.create(lab, gate=PATIENT_GATE)
        with instance.engine() as engine:
            ran = engine.tick()
        assert ran is not None
        assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
        yield instance


def test_production_minus_users(slow: Instance) -> None:
    """Storage and bucket come along, alone on a network without a way out, in seconds."""
    slow.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    seen = Looker(instance=slow)
    with slow.engine(seen) as engine:
        engine.tick()
    assert "rehearse" in seen.facts, seen.failures
    assert seen.seconds["rehearse"] < 30
    assert set(seen.containers) == COMES_ALONG
    (network,), production = seen.networks.values(), f"{slow.lab.stack.project}_"
    assert network["Internal"] is True
    for one in seen.containers.values():
        assert list(one["NetworkSettings"]["Networks"]) == [network["Name"]]
        assert not one["HostConfig"]["PortBindings"]
        assert not one["HostConfig"]["Privileged"]
        assert all(mount["Type"] == "volume" for mount in one["Mounts"])
        assert not [it for it in one["Mounts"] if it["Name"].startswith(production)]
    assert seen.containers["minio-bootstrap"]["State"]["ExitCode"] == 0
    assert left_of_it(slow.lab) == []


def test_a_false_claim(slow: Instance) -> None:
    """The installed version does not start on the new schema: found before anything stops."""
    was = installed(slow)
    assert was is not None
    release = claims(slow.lab, Kind.GOOD_WITH_MIGRATION, was.removeprefix("v"))
    before = lives(slow.lab.stack)
    seen, outcome = act(slow)
    assert outcome is Outcome.CANCELLED
    assert codes(seen) == ["rehearsal.works_with_false"]
    message = seen.failures[-1].message
    assert f"{release.tag} claims that {was} works on its schema" in message
    assert "VersionMissing" in message
    assert lives(slow.lab.stack) == before
    assert left_of_it(slow.lab) == []


def test_files_that_services_need(slow: Instance) -> None:
    """Secrets, configs and mounts come along; so does the database's password, from a file."""
    lab, folder = slow.lab, slow.lab.stack.directory / "kept"
    folder.mkdir()
    for name, text in (("token", "a token"), ("password", lab.stack.password), ("terms", "5 %")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    with closing(lab.engine.client()) as client:
        config = client.containers.get(f"{lab.stack.name}-backend").attrs["Config"]
    needed = ("/run/secrets/token", "/etc/motto.txt", "/etc/kept/terms")
    checks = " && ".join(f"test -s {path}" for path in needed)
    backend = {
        "secrets": ["token"],
        "configs": [{"source": "motto", "target": "/etc/motto.txt"}],
        "volumes": [f"{folder}:/etc/kept:ro"],
        "entrypoint": ["/bin/sh", "-c", f'{checks} || exit 3; exec "$$@"', "--"]
        + config["Entrypoint"],
        "command": config["Cmd"] or [],
    }
    from_file = {"POSTGRES_PASSWORD": "", "POSTGRES_PASSWORD_FILE": "/run/secrets/password"}
    lab.publisher.compose = {
        "services": {
            "backend": backend,
            "postgres": {"environment": from_file, "secrets": ["password"]},
        },
        "configs": {"motto": {"content": "hello\n"}},
        "secrets": {name: {"file": str(folder / name)} for name in ("token", "password")},
    }
    lab.publisher.publish(Kind.GOOD)
    lab.publisher.compose = {}
    seen = Seen(at=stop_after_the_rehearsal)
    with slow.engine(seen) as engine, pytest.raises(EnoughSeenError):
        engine.tick()
    assert "rehearse" in seen.facts, seen.failures


def test_a_tablespace(slow: Instance) -> None:
    """It cannot be rehearsed on, and nobody is blamed."""
    slow.lab.publisher.publish(Kind.GOOD)
    for statement in MAKE_TABLESPACE:
        slow.lab.stack.psql(statement)
    seen, outcome = act(slow)
    slow.lab.stack.psql("DROP TABLESPACE fast")
    assert outcome is Outcome.POSTPONED
    assert codes(seen) == ["rehearsal.unavailable"]
    with slow.engine() as engine:
        assert slow.lab.publisher.releases[-1].tag not in {
            one.tag for one in engine.memory.quarantined().values()
        }


def test_settings_of_the_database(slow: Instance) -> None:
    """A search path that only the database knows: the migration is tried under it."""
    stack = slow.lab.stack
    stack.psql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    stack.psql(MOVE_TABLES)
    stack.psql("ALTER DATABASE koprogo_db SET search_path = app")
    stack.psql(
        "CREATE ROLE reader LOGIN PASSWORD 'a b' CONNECTION LIMIT 3; GRANT reader TO koprogo"
    )
    stack.psql("ALTER ROLE reader SET search_path = app, public")
    stack.compose(stack.tree, "restart", "-t", "3", "backend")
    stack.compose(stack.tree, "up", "-d", "--wait", "--no-recreate", "--no-deps", "backend")
    stack.psql("INSERT INTO rows(key, body) VALUES ('k', 'b')")
    slow.lab.publisher.publish(Kind.MIGRATION_FAILING_ON_DATA)
    seen, outcome = act(slow)
    assert outcome is Outcome.CANCELLED
    assert codes(seen) == ["rehearsal.failed"]
    assert "empty_" in seen.failures[-1].message


def test_a_true_claim(lab_engine: Engine) -> None:
    """A backend that does not migrate at its start runs on the schema of the next one."""
    with Lab(lab_engine, style=MigrationStyle.COMMAND, settings=QUICK, shared=True) as lab:
        first = lab.publisher.publish(Kind.GOOD)
        lab.stack.write_env(first.version)
        migration = {"kind": "command", "command": ["migrate"]}
        instance = Instance.create(lab, gate=PATIENT_GATE, migration=migration)
        with instance.engine() as engine:
            ran = engine.tick()
        assert ran is not None
        assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
        claims(lab, Kind.GOOD_WITH_MIGRATION, first.version)
        seen = Seen(at=stop_after_the_rehearsal)
        with instance.engine(seen) as engine, pytest.raises(EnoughSeenError):
            engine.tick()
        assert seen.facts["rehearse"]["works_with"] == first.tag
        assert left_of_it(lab) == []
