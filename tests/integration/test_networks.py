"""Networks that are redefined, by a release or by the operator, on real parts.

One stack for all of them: each test begins with the network as the one before has left it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import docker
import pytest

from koprogo_agent.domain.host import NETWORK_USED
from tests.instance import Instance
from tests.lab.recipes import Kind
from tests.lab.stack import Stack
from tests.scenes import Watched, bring, installed, writer
from tests.witness import Witness

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

KEY = "koprogo-network"
MTU = "com.docker.network.driver.mtu"


def defined(mtu: str) -> dict[str, object]:
    """What a compose file says of the network besides."""
    return {"networks": {KEY: {"driver_opts": {MTU: mtu}}}}


@contextmanager
def engine_of(stack: Stack) -> Iterator[docker.DockerClient]:
    """The engine's API."""
    with closing(docker.DockerClient(base_url=stack.docker_host, timeout=60)) as client:
        yield client


def network(stack: Stack) -> Mapping[str, Any]:
    """The stack's network, as the engine tells of it."""
    with engine_of(stack) as client:
        found: Mapping[str, Any] = client.networks.get(f"{stack.project}_{KEY}").attrs
    return found


def assert_connected(stack: Stack, mtu: str | None) -> None:
    """Every long-lived service is in the network, which is as defined; and users are served."""
    told = network(stack)
    assert told["Options"].get(MTU) == mtu
    there = {str(one["Name"]).removeprefix(f"{stack.name}-") for one in told["Containers"].values()}
    assert set(stack.long_lived) <= there
    assert stack.serves()


def release(instance: Instance, kind: Kind, compose: Mapping[str, object]) -> Watched:
    """Brings a release whose override file says this besides."""
    instance.lab.publisher.compose = compose
    _, watched = bring(instance.changed(rehearsal={"when": "never"}), kind)
    return watched


@pytest.mark.parametrize(
    ("kind", "mtu", "outcome", "left"),
    [
        (Kind.GOOD, "1400", "committed", "1400"),
        (Kind.GOOD_WITH_MIGRATION, "1300", "committed", "1300"),
        (Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, "1200", "rolled_back", "1300"),
        (Kind.BROKEN_IN_PRODUCTION, "1200", "rolled_back", "1300"),
    ],
)
def test_a_release_redefines_the_network(
    instance: Instance, kind: Kind, mtu: str, outcome: str, left: str
) -> None:
    """Every container is in it afterwards, and what the release leaves alone was not made anew."""
    watched = release(instance, kind, defined(mtu))
    assert watched.outcome == outcome, watched.seen.failures
    assert_connected(instance.lab.stack, left)
    assert watched.kept("postgres", "minio", "traefik", "minio-bootstrap")
    assert watched.seen.facts["hold"]["way"] == "closed"
    with instance.engine() as engine:
        assert engine.drift() == ()


def test_a_release_that_leaves_it_alone(instance: Instance) -> None:
    """No user is kept out for it."""
    watched = release(instance, Kind.GOOD, defined("1300"))
    assert watched.outcome == "committed", watched.seen.failures
    assert watched.tally.failed == 0
    assert watched.kept("postgres", "minio", "traefik")
    assert_connected(instance.lab.stack, "1300")


def test_the_engine_cannot_make_it(instance: Instance) -> None:
    """Another network has its addresses: that is found out while everything runs."""
    stack = instance.lab.stack
    with engine_of(stack) as client:
        pool = docker.types.IPAMPool(subnet="10.99.7.0/24")
        other = client.networks.create("others", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
        subnet = {"networks": {KEY: {"ipam": {"config": [{"subnet": "10.99.0.0/16"}]}}}}
        watched = release(instance, Kind.GOOD, subnet)
        other.remove()
    assert watched.outcome == "postponed"
    assert watched.restarted == set()
    assert watched.tally.failed == 0


def test_an_operator_redefines_it(instance: Instance) -> None:
    """In a file of their own. A release is brought with it, once nothing else is in the network."""
    stack = instance.lab.stack
    own = stack.tree.parent / "own.yml"
    own.write_text(json.dumps(defined("1450")))
    instance.lab.publisher.compose = {}
    edited = instance.changed(
        rehearsal={"when": "never"}, stack={"overrides": [str(own)]}, policy={"drift": "heal"}
    )
    name = f"{stack.project}_{KEY}"
    with engine_of(stack) as client:
        stranger = client.containers.create(
            client.containers.get(f"{stack.name}-minio").attrs["Image"],
            ["-c", "while :; do sleep 1; done"],
            entrypoint="/bin/sh",
            name="tunnel",
            network=name,
        )
        stranger.start()
        _, watched = bring(edited, Kind.GOOD)
        stranger.remove(force=True)
        (failure,) = watched.seen.failures
        assert failure.code == NETWORK_USED
        assert failure.advice == f"docker network disconnect {name} tunnel"
        assert (watched.restarted, watched.tally.failed) == (set(), 0)
        _, watched = bring(edited, Kind.GOOD_WITH_MIGRATION)
        assert watched.outcome == "committed", watched.seen.failures
        assert_connected(stack, "1450")
        client.networks.get(name).disconnect(f"{stack.name}-postgres")
    with edited.engine() as engine:
        assert engine.drift() == (f"postgres is not in the network {name} any more",)
        ran = engine.tick()
        assert ran is not None
        assert ran.outcome == "committed", ran.operation.state.cause
        assert engine.drift() == ()
    assert_connected(stack, "1450")


def test_an_agent_that_is_killed_while_it_does_it(instance: Instance) -> None:
    """Killed again and again on the way there and back, at the boundaries and in the middle."""
    stack = instance.lab.stack
    patient = instance.changed(
        gate={"samples": 2, "interval": 0.5, "deadline": 120, "max_deadline": 200},
        rehearsal={"when": "never"},
    )
    was = installed(instance)
    with writer(stack) as client:
        witness = Witness(patient, client, stack.containers()["postgres"])
        instance.lab.publisher.compose = defined("1100")
        witness.publish(Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION)
        for instant in (
            *("forward after hold", "forward before switch"),
            *("back before hold", "back after hold", "back after undo switch"),
        ):
            witness.killed_at(instant)
        witness.recover()
        assert witness.check() == was
        release = witness.publish(Kind.GOOD)
        for verb, seconds in (("update", 0.7), ("tick", 1.5), ("tick", 2.5)):
            witness.killed_after(verb, seconds, "forward before switch")
        witness.recover()
        assert witness.check() in {was, release.tag}
    with instance.engine() as engine:
        while engine.tick() is not None:
            pass
    assert installed(instance) == release.tag
    assert_connected(stack, "1100")
