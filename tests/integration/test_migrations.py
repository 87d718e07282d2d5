"""The three ways in which a release's migrations are run, on real parts.

At the backend's start, as a one-off command, as a service of the compose files: each brings a
release that changes the schema, and each is taken back when its migration fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import PurePosixPath
from typing import Any

import docker
import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import Instance
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind, MigrationStyle
from tests.lab.stack import BASE_FILE, QUICK, Stack
from tests.scenes import bring, installed

pytestmark = pytest.mark.real

WAYS: Mapping[MigrationStyle, Mapping[str, Any]] = {
    MigrationStyle.START: {"kind": "start"},
    MigrationStyle.COMMAND: {"kind": "command", "command": ["migrate"]},
    MigrationStyle.SERVICE: {"kind": "service", "service": "migrate"},
}
MEMBERS = {"backend", "frontend", "migrate"}
"""What a release changes; the last only where it is a service."""
GATE: Mapping[str, Any] = {"samples": 2, "interval": 0.5, "deadline": 60, "max_deadline": 120}
BRIEF: Mapping[str, Any] = {**GATE, "deadline": 25, "max_deadline": 25}
"""For those who wait until something that hangs is given up."""


EVERY_WAY = pytest.mark.parametrize("migrating", list(WAYS), indirect=True, scope="module", ids=str)
APART = pytest.mark.parametrize(
    "migrating",
    [MigrationStyle.COMMAND, MigrationStyle.SERVICE],
    indirect=True,
    scope="module",
    ids=str,
)
"""What the backend does at its start is proved by `test_updates` already."""


@pytest.fixture(scope="module")
def migrating(request: pytest.FixtureRequest, lab_engine: Engine) -> Iterator[Instance]:
    """A stack that migrates in one of the ways, installed by the agent."""
    style: MigrationStyle = request.param
    with Lab(lab_engine, style=style, settings=QUICK) as lab:
        first = lab.publisher.publish(Kind.GOOD)
        lab.stack.write_env(first.version)
        migration = {**WAYS[style], "timeout": 8}
        instance = Instance.create(lab, migration=migration, gate=GATE)
        with instance.engine() as engine:
            ran = engine.tick()
        assert ran is not None
        assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
        assert lab.stack.applied() == list(first.migrations)
        yield instance


def brief(instance: Instance, rehearsal: str) -> Instance:
    """The same, soon out of patience."""
    migration = instance.settings.migration.model_dump(mode="json")
    rehearsed = {"when": rehearsal, "timeout": 25}
    return instance.changed(migration=migration, gate=BRIEF, rehearsal=rehearsed)


@APART
def test_a_schema_change_is_brought(migrating: Instance) -> None:
    """Rehearsed, held, migrated once, released; the database's container stays."""
    release, watched = bring(migrating, Kind.GOOD_WITH_MIGRATION)
    assert watched.outcome is Outcome.COMMITTED
    assert {"rehearse", "hold", "point", "release"} <= set(watched.seen.actions)
    assert watched.replaced <= MEMBERS
    assert migrating.lab.stack.applied() == list(release.migrations)
    assert installed(migrating) == release.tag


@APART
def test_a_release_without_schema_change_needs_no_point(migrating: Instance) -> None:
    """However migrations are run: there are none to run."""
    release, watched = bring(migrating, Kind.GOOD)
    assert watched.outcome is Outcome.COMMITTED
    assert {"point", "migrate"}.isdisjoint(watched.seen.actions)
    assert installed(migrating) == release.tag


@APART
@pytest.mark.parametrize("kind", [Kind.MIGRATION_FAILING_ON_DATA, Kind.MIGRATION_HANGING])
def test_the_rehearsal_finds_a_bad_migration(migrating: Instance, kind: Kind) -> None:
    """Run on a copy of the data: not one request fails."""
    was, schema = installed(migrating), migrating.lab.stack.applied()
    _, watched = bring(brief(migrating, "always"), kind)
    assert watched.outcome is Outcome.CANCELLED
    assert [one.code for one in watched.seen.failures] == ["rehearsal.failed"]
    assert watched.restarted == set()
    assert watched.tally.failed == 0
    assert (installed(migrating), migrating.lab.stack.applied()) == (was, schema)


def guarded(stack: Stack, value: str) -> Mapping[str, Any]:
    """What has a container start only where a file of the release says this."""
    with closing(docker.DockerClient(base_url=stack.docker_host, timeout=60)) as client:
        program = client.containers.get(f"{stack.name}-backend").attrs["Config"]["Entrypoint"]
    script = f'test "$$(cat /plan/version)" = {value} || exit 3; exec "$$@"'
    start = program[program.index("--") + 1 :] if "--" in program else program
    return {
        "entrypoint": ["/bin/sh", "-c", script, "--", *start],
        "volumes": ["./plan:/plan:ro"],
    }


@APART
def test_the_files_of_the_release_are_mounted_before_they_are_laid(migrating: Instance) -> None:
    """By a migration, and by what is started beside the old version; never those of another."""
    publisher, service = migrating.lab.publisher, migrating.settings.migration.service
    folder = PurePosixPath(BASE_FILE).parent
    kinds = (Kind.GOOD_WITH_MIGRATION, Kind.GOOD_WITH_MIGRATION, Kind.GOOD)
    for number, kind in enumerate(kinds):
        members = {one: guarded(migrating.lab.stack, f"v{number}") for one in {service, "backend"}}
        publisher.compose = {"services": members}
        publisher.deployed[f"{folder}/plan/version"] = f"v{number}".encode()
        _, watched = bring(migrating, kind)
        assert watched.outcome is Outcome.COMMITTED, watched.seen.failures
        assert watched.tally.failed == 0
    publisher.compose = {}
    publisher.deployed.clear()


@EVERY_WAY
@pytest.mark.parametrize("kind", [Kind.MIGRATION_FAILING, Kind.MIGRATION_HANGING])
def test_without_a_rehearsal_a_bad_migration_is_taken_back(migrating: Instance, kind: Kind) -> None:
    """Half-way or hanging on the real data: image and data go back as a pair."""
    was, schema = installed(migrating), migrating.lab.stack.applied()
    release, watched = bring(brief(migrating, "never"), kind)
    assert watched.outcome is Outcome.ROLLED_BACK
    assert watched.replaced <= MEMBERS
    assert (installed(migrating), migrating.lab.stack.applied()) == (was, schema)
    with migrating.engine() as engine:
        assert release.tag in {one.tag for one in engine.memory.quarantined().values()}
        assert engine.drift() == ()
    names = migrating.lab.stack.psql("SELECT datname FROM pg_database WHERE NOT datistemplate")
    assert set(names.splitlines()) == {"koprogo_db", "postgres"}
