"""The port `Stack`: what the machine has, and what it lacks."""

from __future__ import annotations

import json

import pytest

from koprogo_agent.domain.gate import Health
from koprogo_agent.domain.host import NAME_TAKEN, NETWORK_USED, NO_ADDRESSES, PAUSED, PORT_TAKEN
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Project, Stack
from tests.contract.ground import Ground, more, one


def with_late(ground: Ground, **late: object) -> Project:
    """The project with one more service, which is never started here."""
    image = one(ground, ground.one_shot).image
    return more(ground, json.dumps({"services": {"late": {"image": image, **late}}}))


def test_host(ground: Ground, stack: Stack) -> None:
    """It shows the stack's containers, those of others, and where programs listen."""
    name = f"{ground.project.name}-stranger"
    with ground.strangers.listen() as port, ground.strangers.has_container(name):
        host = stack.host()
    mine = {one.service for one in host.holders if one.project == ground.project.name}
    assert mine == set(ground.ids)
    stranger = next(one for one in host.holders if one.name == name)
    assert (stranger.project, stranger.service, stranger.state) == ("", "", "created")
    assert ("127.0.0.1", port) in {(one.address, one.number) for one in host.listening}
    assert "host" in host.networks


def test_a_port_that_is_taken(ground: Ground, stack: Stack) -> None:
    """The machine is at fault; what was made by then can be discarded."""
    with ground.strangers.listen() as port:
        published = {"target": 80, "published": str(port), "host_ip": "127.0.0.1"}
        late = with_late(ground, ports=[published])
        with pytest.raises(RetryLater) as raised:
            stack.up(late, ["late"])
    assert raised.value.code == PORT_TAKEN
    stack.discard(ground.project.name, ["late"])
    assert "late" not in ground.ids


def test_a_name_that_is_taken(ground: Ground, stack: Stack) -> None:
    """A chosen one; the container that has it stays."""
    name = f"{ground.project.name}-stranger"
    with ground.strangers.has_container(name):
        with pytest.raises(RetryLater) as raised:
            stack.up(with_late(ground, container_name=name), ["late"])
        assert name in {one.name for one in stack.host().holders}
    assert raised.value.code == NAME_TAKEN
    stack.discard(ground.project.name, ["late"])


def test_a_paused_container(ground: Ground, stack: Stack) -> None:
    """Neither `start` nor `up` lets it go on."""
    name = ground.project.name
    with ground.strangers.pauses("frontend"):
        assert one(ground, "frontend").state == "paused"
        with pytest.raises(RetryLater) as started:
            stack.start(name, ["frontend"])
        with pytest.raises(RetryLater) as brought:
            stack.up(ground.project)
        assert (started.value.code, brought.value.code) == (PAUSED, PAUSED)
        assert one(ground, "frontend").state == "paused"
        assert "paused" in {one.state for one in stack.host().holders if one.project == name}
    assert one(ground, "frontend").state == "running"


def test_a_network_is_tried_out(ground: Ground, stack: Stack) -> None:
    """Nothing of it stays, whether there are addresses for it or not."""
    before = stack.host().networks
    stack.try_network("koprogo-contract", {})
    taken = {"ipam": {"config": [{"subnet": ground.strangers.a_subnet()}]}}
    with pytest.raises(RetryLater) as raised:
        stack.try_network("koprogo-contract", taken)
    assert raised.value.code == NO_ADDRESSES
    assert not any("koprogo-contract" in name for name in stack.host().networks - before)


def redefined_network(ground: Ground) -> Project:
    """The project, whose network is defined otherwise."""
    options = {"driver_opts": {"com.docker.network.driver.mtu": "1400"}}
    return more(ground, json.dumps({"services": {}, "networks": {ground.network: options}}))


def test_a_network_that_is_defined_otherwise(ground: Ground, stack: Stack) -> None:
    """It is made anew once nothing runs in it; the same containers are in it then."""
    name, ids, redefined = ground.project.name, ground.ids, redefined_network(ground)
    assert stack.replaced_networks(ground.project) == ()
    (network,) = stack.replaced_networks(redefined)
    for service in ids:
        assert network in one(ground, service).networks
    with pytest.raises(RetryLater) as raised:
        stack.renew_networks(redefined)
    assert raised.value.code == NETWORK_USED
    assert one(ground, "backend").state == "running"
    for project in (redefined, ground.project):
        assert stack.replaced_networks(project) == (network,)
        stack.stop(name, list(ids))
        stack.renew_networks(project)
        assert stack.replaced_networks(project) == ()
        stack.renew_networks(project)
        assert all(network in one(ground, service).networks for service in ids)
        stack.start(name, ["postgres", ground.storage, "backend", "frontend", ground.ingress])
        assert one(ground, "postgres").state == "running"
    assert ground.ids == ids
    stack.up(ground.project)
    ground.wait_for(lambda: one(ground, "backend").health is Health.HEALTHY)


def test_what_compose_does_with_one_service_and_its_network(ground: Ground, stack: Stack) -> None:
    """It takes the service out of the network, which stays as others are in it."""
    ids = ground.ids
    (network,) = stack.replaced_networks(redefined_network(ground))
    with pytest.raises(RetryLater) as raised:
        stack.up(redefined_network(ground), ["frontend"])
    assert raised.value.code == NETWORK_USED
    frontend = one(ground, "frontend")
    assert (frontend.state, frontend.networks) == ("exited", frozenset())
    stack.renew_networks(ground.project)
    assert network in one(ground, "frontend").networks
    stack.up(ground.project)
    assert ground.ids == ids
