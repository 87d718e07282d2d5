"""The machine cannot give what a release needs: it is said beforehand, and blames no release.

One stack goes through all of it; every test begins on a healthy stack and leaves one behind.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.host import PAUSED, PORT_TAKEN
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import READ_ONLY
from tests.instance import Instance, Seen
from tests.lab.lab import Lab
from tests.lab.processes import free_port
from tests.lab.recipes import Kind
from tests.lab.stack import compose_program
from tests.scenes import Watched, bring, installed, lives

pytestmark = pytest.mark.real

LEAN: Mapping[str, Mapping[str, Any]] = {
    "gate": {"samples": 2, "interval": 0.5, "deadline": 60, "max_deadline": 120},
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
}
COMPOSE_VARIABLES = """
COMPOSE_REMOVE_ORPHANS=true
COMPOSE_IGNORE_ORPHANS=true
COMPOSE_PROJECT_NAME=another
COMPOSE_FILE=/nowhere/docker-compose.yml
COMPOSE_PATH_SEPARATOR=;
COMPOSE_PARALLEL_LIMIT=many
COMPOSE_PROGRESS=json
COMPOSE_STATUS_STDOUT=1
COMPOSE_COMPATIBILITY=true
COMPOSE_ENV_FILES=/nowhere/.env
COMPOSE_DISABLE_ENV_FILE=true
COMPOSE_CONVERT_WINDOWS_PATHS=1
COMPOSE_PROFILES=extra
"""


@pytest.fixture(scope="module")
def lean(instance: Instance) -> Instance:
    """It leaves out what others prove."""
    return instance.changed(**LEAN)


def idle(lab: Lab, **more: object) -> dict[str, Any]:
    """A service that does nothing."""
    wait = "trap 'exit 0' TERM; while :; do sleep 1; done"
    image = f"{lab.registry.address}/lab/minio:1"
    command = {"entrypoint": ["/bin/sh", "-c", wait], "stop_grace_period": "2s"}
    return {"image": image, "restart": "unless-stopped", **command, **more}


@contextmanager
def overriding(instance: Instance, model: Mapping[str, Any]) -> Iterator[Instance]:
    """The operator's compose file beside the release's."""
    path = instance.root / "override.json"
    path.write_text(json.dumps(model))
    yield instance.changed(**LEAN, stack={"overrides": [str(path)]})


@contextmanager
def engine_of(lab: Lab) -> Iterator[docker.DockerClient]:
    """What an operator types at `docker`."""
    with closing(lab.engine.client()) as client:
        yield client


def quarantined(instance: Instance) -> set[str]:
    """Tags in quarantine."""
    with instance.engine() as engine:
        return {one.tag for one in engine.memory.quarantined().values()}


def assert_nothing_changed(watched: Watched) -> None:
    """No container was touched, and not one request failed."""
    assert watched.restarted == set()
    assert watched.tally.failed == 0


def test_what_others_have_is_found_before_anything_is_held(lean: Instance) -> None:
    """A port, a name and a network: one message tells all of it, and `doctor` says the same."""
    lab, port = lean.lab, free_port()
    name, network = f"{lab.name}-mailer", f"{lab.name}-shared"
    mailer = idle(lab, container_name=name, networks=["shared"])
    frontend = {"ports": [f"127.0.0.1:{port}:8080"]}
    model = {
        "services": {"frontend": frontend, "mailer": mailer},
        "networks": {"shared": {"external": True, "name": network}},
    }
    with overriding(lean, model) as changed, engine_of(lab) as engine:
        other = engine.containers.create(mailer["image"], name=name)
        with socket.create_server(("127.0.0.1", port)):
            release, watched = bring(changed, Kind.GOOD)
            doctor = changed.type("doctor").stdout
        assert watched.outcome is Outcome.CANCELLED
        (failure,) = watched.seen.failures
        assert failure.kind == "NeedsOperator"
        for words in (f"port {port}/tcp", f"container name {name}", f"network {network}"):
            assert words in failure.message
            assert words in doctor
        for typed in ("ss -ltnp", f"docker rm {name}", f"docker network create {network}"):
            assert typed in failure.advice
            assert typed in doctor
        assert_nothing_changed(watched)
        assert quarantined(changed) == set()
        other.remove()
        made = engine.networks.create(network)
        said = changed.type("update")
        assert said.returncode == Exit.DONE, said.stdout + said.stderr
        assert installed(changed) == release.tag
        assert engine.containers.get(name).status == "running"
        engine.containers.get(name).remove(force=True)
        made.remove()


def test_a_paused_container_is_waited_for(lean: Instance) -> None:
    """A person paused it: the agent says so, does not unpause it, and comes again."""
    lab = lean.lab
    with engine_of(lab) as engine:
        container = engine.containers.get(f"{lab.name}-minio")
        container.pause()
        try:
            release, watched = bring(lean, Kind.GOOD_WITH_MIGRATION)
            doctor = lean.type("doctor").stdout
            container.reload()
            assert container.status == "paused"
        finally:
            container.unpause()
    assert watched.outcome is Outcome.POSTPONED
    (failure,) = watched.seen.failures
    assert failure.code == PAUSED
    assert f"docker unpause {lab.name}-minio" in failure.advice
    assert f"docker unpause {lab.name}-minio" in doctor
    assert_nothing_changed(watched)
    assert quarantined(lean) == set()
    said = lean.type("update")
    assert said.returncode == Exit.DONE, said.stdout + said.stderr
    assert installed(lean) == release.tag


def test_a_read_only_disk_is_found_before_anything_is_held(lean: Instance) -> None:
    """The stack's folder can be read and not be written to, as after an error of the disk."""
    folder = str(lean.settings.stack.directory)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        _, watched = bring(lean, Kind.GOOD)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert watched.outcome is Outcome.CANCELLED
    (failure,) = watched.seen.failures
    assert (failure.kind, failure.code) == ("NeedsOperator", READ_ONLY)
    assert folder in failure.message
    assert_nothing_changed(watched)
    assert quarantined(lean) == set()


def test_a_port_that_is_taken_at_the_last_moment(lean: Instance) -> None:
    """Between the last look and the exchange; the way back ends well, and nobody is blamed."""
    lab, port, name = lean.lab, free_port(), f"{lean.lab.name}-late"
    late = idle(lab, container_name=name, ports=[f"127.0.0.1:{port}:8080"])
    before = installed(lean)
    lab.publisher.publish(Kind.GOOD)
    with (
        overriding(lean, {"services": {"late": late}}) as changed,
        engine_of(lab) as engine,
        socket.socket() as other,
    ):

        def take(boundary: str, action: str) -> None:
            if (boundary, action) == ("before", "switch") and not seen.failures:
                other.bind(("127.0.0.1", port))
                other.listen()

        seen = Seen(at=take)
        with changed.engine(seen) as agent:
            ran = agent.tick()
        assert ran is not None
        assert ran.outcome is Outcome.ROLLED_BACK, seen.failures
        assert {one.code for one in seen.failures} == {PORT_TAKEN}
        assert quarantined(changed) == set()
        assert installed(changed) == before
        assert lab.stack.serves()
        # The operator's file asks for it still: it is there, and does not run.
        left = engine.containers.get(name)
        assert left.status == "created"
        left.remove()


def test_compose_variables_in_the_env_file_change_nothing(lean: Instance) -> None:
    """The operator's own container in the same project stays; COMPOSE_PROFILES alone counts."""
    lab = lean.lab
    mine = _started_by_hand(lab, lab.stack.directory / "mine.json")
    extra = idle(lab, container_name=f"{lab.name}-extra", profiles=["extra"])
    text = lab.stack.env_file.read_text()
    with overriding(lean, {"services": {"extra": extra}}) as changed, engine_of(lab) as engine:
        try:
            lab.stack.env_file.write_text(f"{text}{COMPOSE_VARIABLES}")
            release, watched = bring(changed, Kind.GOOD)
            assert watched.outcome is Outcome.COMMITTED, watched.seen.failures
        finally:
            lab.stack.env_file.write_text(text)
        assert installed(changed) == release.tag
        assert watched.tally.failed == 0
        assert mine in {one.id for one in engine.containers.list()}
        assert engine.containers.get(f"{lab.name}-extra").status == "running"
        assert watched.replaced == {"backend", "frontend"}
        assert set(lives(lab.stack)) == {*watched.before, "extra"}
        for name in (f"{lab.name}-extra", mine):
            engine.containers.get(name).remove(force=True)


def _started_by_hand(lab: Lab, file: Path) -> str:
    """The id of a container that the operator has started from a file of their own."""
    file.write_text(
        json.dumps({"services": {"mine": idle(lab, container_name=f"{lab.name}-mine")}})
    )
    words = [compose_program(), "-p", lab.name, "-f", str(file), "up", "--detach", "--quiet-pull"]
    subprocess.run(words, env={"DOCKER_HOST": lab.engine.host, "PATH": "/usr/bin:/bin"}, check=True)
    with engine_of(lab) as engine:
        (found,) = engine.containers.list(filters={"label": "com.docker.compose.service=mine"})
        return str(found.id)
