"""Networks that are redefined, by a release or by the operator: changed for the whole project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from koprogo_agent.domain.host import NETWORK_USED, Holder
from koprogo_agent.domain.plan import Migrates
from tests.simulation.checks import assert_no_row_lost
from tests.simulation.instance import Instance
from tests.simulation.releases import MIGRATOR

NAME = "koprogo_default"


def defined(mtu: int) -> dict[str, object]:
    """The network of the compose files."""
    return {"default": {"name": NAME, "driver_opts": {"com.docker.network.driver.mtu": mtu}}}


def connected(instance: Instance) -> Instance:
    """The instance, with a release installed that defines a network; users count from now on."""
    instance.scene.publisher.networks = defined(1500)
    instance.install()
    instance.scene.users.failed.clear()
    instance.watcher.began.clear()
    return instance


@pytest.fixture
def networked(folder: Path) -> Instance:
    """An instance whose compose files define a network."""
    return connected(Instance.new(folder))


def way(instance: Instance) -> str:
    """The way of the last hold."""
    return str(instance.journal.past(1)[0].operation.facts["hold"]["way"])  # type: ignore[index]


def ids(instance: Instance) -> dict[str, str]:
    """Service -> its container."""
    containers = instance.engine.world.stack.containers("koprogo")
    return {one.service: one.id for one in containers}


@pytest.mark.parametrize("schema", [True, False])
def test_a_release_redefines_a_network(networked: Instance, *, schema: bool) -> None:
    """Everything is in the new one; what the release leaves alone keeps its container."""
    before = ids(networked)
    networked.scene.publisher.networks = defined(1400)
    networked.scene.publisher.publish("1.1.0", schema=schema)
    networked.settle()
    assert networked.running == networked.installed == "v1.1.0"
    assert way(networked) == "closed"
    assert networked.engine.drift() == ()
    assert ids(networked)["postgres"] == before["postgres"]
    assert_no_row_lost(networked)
    networked.scene.publisher.publish("1.1.1")
    networked.settle()
    assert (networked.running, way(networked)) == ("v1.1.1", "beside")


@pytest.mark.parametrize("kind", [Migrates.BY_COMMAND, Migrates.BY_SERVICE])
def test_migrations_of_their_own_program(folder: Path, kind: Migrates) -> None:
    """Compose would make the network anew for its container, and disconnect the database."""
    service = "migrator" if kind is Migrates.BY_SERVICE else "backend"
    command = [] if kind is Migrates.BY_SERVICE else ["migrate"]
    migration = {"kind": str(kind), "service": service, "command": command}
    instance = Instance.new(folder, migration=migration)
    instance.scene.publisher.common = {"migrates_at_start": False}
    if kind is Migrates.BY_SERVICE:
        instance.scene.publisher.more = MIGRATOR
    connected(instance)
    instance.scene.publisher.networks = defined(1400)
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    assert instance.running == instance.installed == "v1.1.0"
    assert_no_row_lost(instance)


@pytest.mark.parametrize("schema", [True, False])
def test_a_bad_release_gives_it_back(networked: Instance, *, schema: bool) -> None:
    """The way back ends with users served in the network of before."""
    before = ids(networked)
    networked.scene.publisher.networks = defined(1400)
    bad = {"exits": "in production"}
    networked.scene.publisher.publish("1.1.0", schema=schema, backend=bad)
    networked.settle()
    assert networked.running == networked.installed == "v1.0.0"
    assert networked.quarantined == {"v1.1.0"}
    assert networked.engine.drift() == ()
    assert ids(networked)["postgres"] == before["postgres"]
    assert_no_row_lost(networked)


def test_the_operator_redefines_a_network(folder: Path) -> None:
    """In a file of their own; the next release brings it, and says why users cannot connect."""
    own = Path("/etc/koprogo/override.yml")
    instance = Instance.new(folder, stack={"overrides": (own,)})
    instance.scene.disk.texts[own] = json.dumps({"services": {}}).encode()
    connected(instance)
    edited = {"services": {}, "networks": defined(1400)}
    instance.scene.disk.texts[own] = json.dumps(edited).encode()
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert instance.running == instance.installed == "v1.0.1"
    assert way(instance) == "closed"
    assert instance.engine.drift() == ()


def test_a_container_of_others_is_in_the_network(networked: Instance) -> None:
    """The engine would not remove it: a person is told beforehand, and no release is blamed."""
    stranger = Holder("tunnel", "", "", "running", networks=frozenset({NAME}))
    networked.scene.machine.others.append(stranger)
    networked.scene.publisher.networks = defined(1400)
    networked.scene.publisher.publish("1.0.1")
    networked.tick()
    assert networked.running == "v1.0.0"
    (failure,) = (one for _, one in networked.watcher.failures)
    assert failure.code == NETWORK_USED
    assert failure.advice == f"docker network disconnect {NAME} tunnel"
    assert networked.quarantined == set()
    assert networked.scene.users.failed == []
    networked.scene.machine.others.clear()
    networked.wait(600)
    networked.settle()
    assert networked.running == "v1.0.1"


def test_a_container_comes_into_the_network_too_late_to_be_seen(networked: Instance) -> None:
    """What ran before comes back, and the release is brought once the container has gone."""
    machine = networked.scene.machine
    stranger = Holder("tunnel", "", "", "running", networks=frozenset({NAME}))

    def comes(boundary: str) -> None:
        if boundary == "stop" and not machine.others:
            machine.others.append(stranger)

    machine.middle = comes
    networked.scene.publisher.networks = defined(1400)
    networked.scene.publisher.publish("1.0.1")
    networked.tick()
    assert networked.running == networked.installed == "v1.0.0"
    assert {one.code for _, one in networked.watcher.failures} == {NETWORK_USED}
    assert networked.quarantined == set()
    assert networked.engine.drift() == ()


def test_a_container_that_lost_its_network_is_put_right(folder: Path) -> None:
    """Nothing else of the container shows it; it is connected again, and not made anew."""
    instance = connected(Instance.new(folder, policy={"drift": "heal"}))
    box = instance.scene.machine.one("koprogo", "postgres")
    assert box is not None
    box.attached.clear()
    assert instance.engine.drift() == (f"postgres is not in the network {NAME} any more",)
    instance.settle()
    assert instance.engine.drift() == ()
    assert ids(instance)["postgres"] == box.id
