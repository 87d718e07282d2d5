"""What Compose does besides starting containers: a release gets it on every path, as by `up`.

One stack for all of them. A test that changes what later ones stand on brings a release of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import docker
import pytest

from koprogo_agent.update.engine import Engine
from tests.instance import Instance
from tests.lab.recipes import Kind
from tests.lab.stack import BASE_FILE, Stack
from tests.scenes import Watched, bring, installed

pytestmark = pytest.mark.real

FROM_COMPOSE = {
    "services": {
        "backend": {
            "configs": [{"source": "motto", "target": "/etc/motto.txt"}],
            "secrets": ["token"],
            "post_start": [{"command": ["touch", "/tmp/hooked"]}],  # noqa: S108 - in the container
        }
    },
    "configs": {"motto": {"content": "hello\n"}},
    "secrets": {"token": {"environment": "JWT_SECRET"}},
}
"""What Compose itself puts into a container: contents, secrets from variables, a hook's work."""
PUT_THERE = ("/etc/motto.txt", "/run/secrets/token", "/tmp/hooked")  # noqa: S108 - as above
HEALTH = "http://localhost:8080/api/v1/health"


@pytest.fixture(autouse=True)
def _plain_again(instance: Instance) -> Iterator[None]:
    """What a test gives to its releases is not in those of the next one."""
    yield
    instance.lab.publisher.compose = {}
    instance.lab.publisher.deployed.clear()


def release(instance: Instance, kind: Kind, compose: Mapping[str, object]) -> Watched:
    """Brings a release whose override file says this besides."""
    instance.lab.publisher.compose = compose
    _, watched = bring(instance.changed(rehearsal={"when": "never"}), kind)
    return watched


def runs_in(stack: Stack, service: str, *command: str) -> bool:
    """Whether a command passes in a service's container."""
    with closing(docker.DockerClient(base_url=stack.docker_host, timeout=60)) as client:
        done = client.containers.get(f"{stack.name}-{service}").exec_run(list(command))
    return bool(done.exit_code == 0)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Kind.GOOD, "committed"),
        (Kind.GOOD_WITH_MIGRATION, "committed"),
        (Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, "rolled_back"),
    ],
)
def test_what_compose_puts_into_a_container(instance: Instance, kind: Kind, outcome: str) -> None:
    """It is there after an update of each way, and after a way back."""
    stack = instance.lab.stack
    watched = release(instance, kind, FROM_COMPOSE)
    assert watched.outcome == outcome, watched.seen.failures
    assert [path for path in PUT_THERE if not runs_in(stack, "backend", "test", "-e", path)] == []
    assert watched.tally.failed == 0
    assert stack.serves()


def test_the_stack_without_them_again(instance: Instance) -> None:
    """A release that does without gets a container without."""
    watched = release(instance, Kind.GOOD, {})
    assert watched.outcome == "committed", watched.seen.failures
    assert not runs_in(instance.lab.stack, "backend", "test", "-e", PUT_THERE[0])
    assert installed(instance) == instance.lab.publisher.releases[-1].tag


IDLE: Mapping[str, object] = {
    "image": "${REGISTRY}/lab/minio:1",
    "restart": "unless-stopped",
    "stop_grace_period": "2s",
    "entrypoint": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"],
}
"""A service that does nothing."""
DEPENDENTS = {
    "services": {
        "sidecar": {
            **IDLE,
            "container_name": "${STACK_NAME}-sidecar",
            "network_mode": "service:backend",
        },
        "follower": {
            **IDLE,
            "container_name": "${STACK_NAME}-follower",
            "networks": ["koprogo-network"],
            "depends_on": {"backend": {"condition": "service_started", "restart": True}},
        },
    }
}


@pytest.mark.parametrize("kind", [Kind.GOOD, Kind.GOOD_WITH_MIGRATION])
def test_what_depends_on_a_service_follows_it(instance: Instance, kind: Kind) -> None:
    """What shares its network finds it again; what is to be restarted with it is restarted."""
    stack = instance.lab.stack
    if "sidecar" not in stack.containers():
        assert release(instance, Kind.GOOD, DEPENDENTS).outcome == "committed"
    watched = release(instance, kind, DEPENDENTS)
    assert watched.outcome == "committed", watched.seen.failures
    assert runs_in(stack, "sidecar", "test", "-e", "/sys/class/net/eth0")
    assert runs_in(stack, "sidecar", "wget", "-q", "-O", "/dev/null", HEALTH)
    assert {"sidecar", "follower"} <= watched.restarted
    assert watched.tally.failed == 0


def test_dependents_that_a_release_drops(instance: Instance) -> None:
    """They are gone, and nothing else is touched by that."""
    watched = release(instance, Kind.GOOD, {})
    assert watched.outcome == "committed", watched.seen.failures
    assert not {"sidecar", "follower"} & set(instance.lab.stack.containers())
    assert watched.kept("postgres", "minio", "traefik")


SHARING = {
    "services": {
        "backend": {"ipc": "shareable"},
        "tracer": {
            **IDLE,
            "container_name": "${STACK_NAME}-tracer",
            "pid": "service:backend",
        },
        "reader": {
            **IDLE,
            "container_name": "${STACK_NAME}-reader",
            "ipc": "service:backend",
            "volumes_from": ["backend"],
        },
    }
}


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Kind.GOOD, "committed"),
        (Kind.GOOD_WITH_MIGRATION, "committed"),
        (Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, "rolled_back"),
    ],
)
def test_what_shares_something_else_with_a_service(
    instance: Instance, kind: Kind, outcome: str
) -> None:
    """Processes, shared memory and volumes: it follows as well, on each way."""
    stack = instance.lab.stack
    assert release(instance, kind, SHARING).outcome == outcome
    with closing(docker.DockerClient(base_url=stack.docker_host, timeout=60)) as client:
        backend = client.containers.get(f"{stack.name}-backend").id
        tracer = client.containers.get(f"{stack.name}-tracer").attrs
        reader = client.containers.get(f"{stack.name}-reader").attrs
    assert tracer["HostConfig"]["PidMode"] == f"container:{backend}"
    assert reader["HostConfig"]["IpcMode"] == f"container:{backend}"
    assert reader["HostConfig"]["VolumesFrom"] == [backend]
    assert [one["State"]["Status"] for one in (tracer, reader)] == ["running"] * 2
    assert stack.serves()


def test_what_only_one_container_can_have(instance: Instance) -> None:
    """A fixed address: the new version is not put beside the old one, and requests wait.

    Besides, a service depends on one whose profile is off, which Compose allows (`required`).
    """
    stack = instance.lab.stack
    absent = {"condition": "service_started", "required": False}
    compose = {
        "services": {
            "backend": {
                "networks": {"koprogo-network": {}, "fixed": {"ipv4_address": "172.31.77.10"}},
                "labels": {"traefik.docker.network": f"{stack.project}_koprogo-network"},
                "depends_on": {"debug": absent},
            },
            "debug": {**IDLE, "profiles": ["debug"]},
        },
        "networks": {"fixed": {"ipam": {"config": [{"subnet": "172.31.77.0/24"}]}}},
    }
    for _ in range(2):
        watched = release(instance, Kind.GOOD, compose)
        assert watched.outcome == "committed", watched.seen.failures
        assert watched.seen.facts["hold"]["way"] == "wait"
        assert "172.31.77.10" in watched.seen.facts["hold"]["why"]
        assert watched.tally.failed == 0


def named(service: str) -> Mapping[str, object]:
    """A release with a service of this name; its container always has the same one."""
    one = {**IDLE, "container_name": "${STACK_NAME}-helper", "networks": ["koprogo-network"]}
    return {"services": {service: one}}


def test_a_service_is_renamed(instance: Instance) -> None:
    """The old one makes room before the new one takes its container's name; and back again."""
    stack, healing = instance.lab.stack, instance.changed(rehearsal={"when": "never"})
    steps = (
        ("helper", Kind.GOOD, "committed", "helper"),
        ("assistant", Kind.GOOD, "committed", "assistant"),
        ("mate", Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, "rolled_back", "assistant"),
    )
    for name, kind, outcome, runs in steps:
        instance.lab.publisher.compose = named(name)
        instance.lab.publisher.publish(kind)
        with healing.engine() as engine:
            assert outcome_of(engine) == outcome
        there = {"helper", "assistant", "mate"} & set(stack.containers())
        assert there == {runs}
    assert stack.serves()


REPLICAS = {
    "services": {
        "pair": {**IDLE, "deploy": {"replicas": 2}, "networks": ["koprogo-network"]},
        "none": {**IDLE, "deploy": {"replicas": 0}, "networks": ["koprogo-network"]},
    }
}


def test_replicas(instance: Instance) -> None:
    """None is as asked for; one of two is too few, is said, and is put right."""
    stack = instance.lab.stack
    healing = instance.changed(rehearsal={"when": "never"}, policy={"drift": "heal"})
    with healing.engine() as engine:
        for kind in (Kind.GOOD, Kind.GOOD_WITH_MIGRATION):
            instance.lab.publisher.compose = REPLICAS
            instance.lab.publisher.publish(kind)
            assert outcome_of(engine) == "committed"
            assert engine.drift() == ()
            assert condition_of(engine) == "up"
        with closing(docker.DockerClient(base_url=stack.docker_host, timeout=60)) as client:
            client.containers.get(f"{stack.project}-pair-2").remove(force=True)
        assert engine.drift() == ("pair has 1 of 2 containers",)
        assert outcome_of(engine) == "committed"
        assert engine.drift() == ()
        instance.lab.publisher.compose = {}
        instance.lab.publisher.publish(Kind.GOOD)
        assert outcome_of(engine) == "committed"


def outcome_of(engine: Engine) -> str:
    """How the operation of a tick ends."""
    ran = engine.tick()
    assert ran is not None
    return str(ran.outcome)


def condition_of(engine: Engine) -> str:
    """Whether the stack is up, by a look at it now."""
    found = engine.health.examine()
    return str(found.level) if found else ""


def test_a_redefined_volume_is_refused(instance: Instance) -> None:
    """What is in it would stay behind: nothing is touched."""
    compose = {"volumes": {"backend_uploads": {"name": "elsewhere"}}}
    watched = release(instance, Kind.GOOD, compose)
    assert watched.outcome == "cancelled"
    assert watched.seen.failures[0].code == "stage.volume"
    assert watched.restarted == set()
    assert watched.tally.failed == 0


FOLDER = str(Path(BASE_FILE).parent)


def idle(name: str) -> Mapping[str, object]:
    """An idle service with a container of its name."""
    return {**IDLE, "container_name": f"${{STACK_NAME}}-{name}"}


def included(*names: str) -> bytes:
    """A compose file with idle services."""
    return json.dumps({"services": {name: idle(name) for name in names}}).encode()


def test_files_that_compose_reads_itself(instance: Instance) -> None:
    """Those of the release, in every release anew, and the operator's own beside them."""
    stack, publisher = instance.lab.stack, instance.lab.publisher
    (stack.tree / FOLDER / "own.env").write_text("OWN=operator\n")
    first: dict[str, object] = {
        "extends": {"file": "common.yml", "service": "idle"},
        "container_name": "${STACK_NAME}-first",
        "env_file": ["first.env", "own.env"],
        "configs": [{"source": "motto", "target": "/etc/motto.txt"}],
        "secrets": ["token"],
    }
    publisher.compose = {
        "include": ["extra.yml"],
        "services": {"first": first},
        "configs": {"motto": {"file": "motto.txt"}},
        "secrets": {"token": {"file": "token.txt"}},
    }
    releases = (
        (("one",), "v1", Kind.GOOD, "committed"),
        (("one", "two"), "v2", Kind.GOOD_WITH_MIGRATION, "committed"),
        (("three",), "v3", Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, "rolled_back"),
        (("one", "two"), "v2", Kind.GOOD, "committed"),
    )
    with instance.changed(rehearsal={"when": "never"}).engine() as engine:
        for names, value, kind, outcome in releases:
            publisher.deployed[f"{FOLDER}/extra.yml"] = included(*names)
            for name in ("motto.txt", "token.txt"):
                publisher.deployed[f"{FOLDER}/{name}"] = value.encode()
            publisher.deployed[f"{FOLDER}/first.env"] = f"FLAVOUR={value}\n".encode()
            common = {"services": {"idle": {**IDLE, "environment": [f"OF={value}"]}}}
            publisher.deployed[f"{FOLDER}/common.yml"] = json.dumps(common).encode()
            publisher.publish(kind)
            assert outcome_of(engine) == outcome
        assert {"one", "two", "three"} & set(stack.containers()) == {"one", "two"}
    with closing(docker.DockerClient(base_url=stack.docker_host, timeout=60)) as client:
        container = client.containers.get(f"{stack.name}-first")
        read = container.exec_run(["cat", "/etc/motto.txt", "/run/secrets/token"])
    assert {"FLAVOUR=v2", "OF=v2", "OWN=operator"} <= set(container.attrs["Config"]["Env"])
    assert read.output == b"v2v2"
    assert stack.serves()


@pytest.mark.parametrize(
    ("compose", "words"),
    [
        ({"include": ["gone.yml"]}, f"tree/{FOLDER}/gone.yml"),
        ({"include": ["https://github.com/docker/awesome-compose.git"]}, "disabled"),
        ({"include": ["oci://registry.invalid/some/stack"]}, "disabled"),
    ],
)
def test_files_that_no_release_brings(
    instance: Instance, compose: Mapping[str, object], words: str
) -> None:
    """What is missing is named where it would lie; nothing is fetched from elsewhere."""
    watched = release(instance, Kind.GOOD, compose)
    assert watched.outcome == "cancelled"
    (failure,) = watched.seen.failures
    assert words in failure.message, failure
    assert "views" not in failure.message
