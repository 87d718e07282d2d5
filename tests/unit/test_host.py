"""What a model needs of the machine, and what others have already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from koprogo_agent.adapters.compose.host import sockets
from koprogo_agent.domain.host import (
    NAME_TAKEN,
    NO_NETWORK,
    NO_VOLUME,
    PAUSED,
    PORT_TAKEN,
    PORT_TWICE,
    Holder,
    Host,
    Port,
    in_the_way,
    objections,
    strangers,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound
NONE: Mapping[str, Any] = {}


def codes(
    host: Host, services: Mapping[str, Any], *dropped: str, **model: Mapping[str, Any]
) -> list[str]:
    """The codes of the objections to a model."""
    whole = {"services": services, **model}
    return [one.code for one in objections(whole, "koprogo", host, dropped)]


def publishing(number: str, **more: str) -> dict[str, Any]:
    """A service that publishes a port."""
    return {"ports": [{"target": 80, "published": number, "protocol": "tcp", **more}]}


def mine(service: str, *ports: Port, state: str = "running") -> Holder:
    """A container of the stack."""
    return Holder(f"koprogo-{service}-1", "koprogo", service, state, ports=ports)


@pytest.mark.parametrize(
    ("address", "listener", "taken"),
    [
        ("", Port(EVERYWHERE, 8080), True),
        ("", Port("127.0.0.1", 8080), True),
        ("127.0.0.1", Port("::", 8080), True),
        ("127.0.0.1", Port("127.0.0.1", 8080), True),
        ("127.0.0.1", Port("10.0.0.1", 8080), False),
        ("", Port(EVERYWHERE, 8081), False),
        ("", Port(EVERYWHERE, 8080, "udp"), False),
    ],
)
def test_a_port_at_which_another_program_listens(
    address: str, listener: Port, *, taken: bool
) -> None:
    """It is taken if both would be bound to the same address, or one of them to all."""
    host = Host(listening=(listener,))
    found = codes(host, {"frontend": publishing("8080", host_ip=address)})
    assert found == ([PORT_TAKEN] if taken else [])


def test_a_port_that_another_container_has_is_named_with_it() -> None:
    """The person reads which container it is, and what to type."""
    host = Host((Holder("blog", "", "", "running", ports=(Port(EVERYWHERE, 80),)),))
    (found,) = objections({"services": {"frontend": publishing("80")}}, "koprogo", host)
    assert found.words == "frontend needs port 80/tcp, which the container blog has"
    assert "docker stop blog" in found.advice


def test_a_container_of_others_in_a_network_that_is_made_anew() -> None:
    """The engine would keep it. The stack's own containers leave it; a stopped one is not in it."""
    inside = frozenset({"koprogo_default"})
    tunnel = Holder("tunnel", "", "", "running", networks=inside)
    old = Holder("old", "", "", "exited", networks=inside)
    host = Host((tunnel, old, replace(mine("backend"), networks=inside)))
    model: dict[str, Any] = {"services": {"backend": {}}}
    (found,) = strangers(model, "koprogo", host, ["koprogo_default"])
    assert "tunnel is in it" in found.words
    assert found.advice == "docker network disconnect koprogo_default tunnel"
    assert list(strangers(model, "koprogo", host, [])) == []


def test_the_stack_s_own_ports_and_names_are_no_objection() -> None:
    """Its own container publishes the port, and the engine's proxy listens at it."""
    own = Port(EVERYWHERE, 80)
    host = Host((mine("frontend", own),), (own, Port("::", 80)))
    assert codes(host, {"frontend": publishing("80")}) == []
    assert codes(host, {"web": publishing("80")}, "frontend") == []


def test_what_an_operator_runs_in_the_same_project_is_another_s() -> None:
    """No release gives up its port or its name; that it is paused is nobody's business."""
    mailer = Holder("koprogo-mine-1", "koprogo", "mine", "paused", ports=(Port("", 80),))
    host = Host((mailer,))
    assert codes(host, {"frontend": publishing("80")}) == [PORT_TAKEN]
    assert codes(host, {"frontend": {"container_name": "koprogo-mine-1"}}) == [NAME_TAKEN]
    assert codes(host, {"frontend": NONE}) == []


def test_a_port_of_a_container_that_has_stopped_is_not_its_own_any_more() -> None:
    """Something else took it meanwhile."""
    host = Host((mine("frontend", state="exited"),), (Port("::", 80),))
    assert codes(host, {"frontend": publishing("80")}) == [PORT_TAKEN]


def test_of_a_range_one_port_is_enough() -> None:
    """The engine takes a free one; it also chooses where no number is given."""
    host = Host(listening=(Port("::", 8000), Port("::", 8001)))
    assert codes(host, {"frontend": publishing("8000-8002")}) == []
    assert codes(host, {"frontend": publishing("8000-8001")}) == [PORT_TAKEN]
    assert codes(host, {"frontend": publishing("")}) == []


def test_a_service_without_replicas_needs_nothing() -> None:
    """It has no container."""
    host = Host(listening=(Port("::", 80),))
    assert codes(host, {"web": {**publishing("80"), "deploy": {"replicas": 0}}}) == []
    assert codes(host, {"web": {**publishing("80"), "scale": 0}}) == []


def test_two_services_with_the_same_port() -> None:
    """It cannot work, whoever wrote it: the release or the operator."""
    services = {"web": publishing("80"), "api": publishing("80"), "old": publishing("81")}
    assert codes(Host(), services) == [PORT_TWICE]


@pytest.mark.parametrize(
    ("holder", "service", "taken"),
    [
        (Holder("mailer", "", "", "created"), {"container_name": "mailer"}, True),
        (Holder("mailer", "blog", "mail", "running"), {"container_name": "mailer"}, True),
        (Holder("koprogo-mailer-1", "", "", "exited"), NONE, True),
        (Holder("koprogo-mailer-1", "koprogo", "mailer", "running", one_off=True), NONE, True),
        (mine("mailer"), NONE, False),
        (Holder("mailer", "koprogo", "mailer", "exited"), {"container_name": "mailer"}, False),
        (Holder("other", "", "", "running"), {"container_name": "mailer"}, False),
    ],
)
def test_container_names(holder: Holder, service: Mapping[str, Any], *, taken: bool) -> None:
    """A chosen name, and the one that Compose makes up; the service's own is none of it."""
    found = codes(Host((holder,)), {"mailer": service})
    assert found == ([NAME_TAKEN] if taken else [])


def test_a_paused_container_is_a_person_s_doing() -> None:
    """Of this stack only; what to type names the container."""
    paused = mine("storage", state="paused")
    host = Host((paused, Holder("x", "blog", "x", "paused")))
    (found,) = objections({"services": {"storage": NONE}}, "koprogo", host)
    assert found.code == PAUSED
    assert found.advice.endswith("docker unpause koprogo-storage-1")


def test_external_networks_and_volumes() -> None:
    """What the release expects to be there, and what it makes itself."""
    host = Host(networks=frozenset({"proxy"}), volumes=frozenset({"data"}))
    there = {"a": {"external": True, "name": "proxy"}, "b": {"name": "koprogo_b"}, "c": None}
    assert codes(host, {}, networks=there, volumes={"data": {"external": True}}) == []
    gone = {"a": {"external": True, "name": "web"}}
    assert codes(host, {}, networks=gone, volumes=gone) == [NO_NETWORK, NO_VOLUME]


def test_the_kernel_s_table_of_sockets() -> None:
    """Only those that listen; addresses are words in the machine's own byte order."""
    tcp = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   2: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0"""
    assert list(sockets(tcp.splitlines(), "tcp")) == [Port("127.0.0.1", 8080), Port(EVERYWHERE, 80)]
    zero, mapped = "0" * 32, "0000000000000000FFFF00000100007F"
    lines = [f"0: {one}:0050 {zero}:0000 0A" for one in (zero, mapped)]
    assert list(sockets(lines, "tcp")) == [Port("::", 80), Port("127.0.0.1", 80)]
    assert list(sockets([f"0: {zero}:0035 {zero}:0000 07"], "udp")) == [Port("::", 53, "udp")]


def test_what_another_service_is_to_have_is_given_up() -> None:
    """A name or a port; not by what keeps it, nor by what is not of this model."""
    port = Port("", 8080)
    holders = (mine("old", port), Holder("helper", "koprogo", "named", "exited"), mine("theirs"))
    new = {"new": {"container_name": "helper", **publishing("8080")}}
    gives_up = {**new, "old": NONE, "named": NONE}
    assert in_the_way({"services": gives_up}, "koprogo", Host(holders)) == {"old", "named"}
    keeps = {**gives_up, "old": publishing("8080")}
    assert in_the_way({"services": keeps}, "koprogo", Host(holders)) == {"named"}
    scaled = {**gives_up, "new": {**new["new"], "scale": 0}}
    assert in_the_way({"services": scaled}, "koprogo", Host(holders)) == set()
    assert in_the_way({"services": new}, "koprogo", Host(holders)) == set()
    assert in_the_way({"services": gives_up}, "other", Host(holders)) == set()


def test_two_containers_of_a_service_cannot_publish_one_port() -> None:
    """An override may have scaled it; with a port for each of them they can."""
    assert codes(Host(), {"one": {**publishing("8080"), "scale": 2}}) == [PORT_TWICE]
    assert codes(Host(), {"one": {**publishing("8080-8081"), "scale": 2}}) == []
    assert codes(Host(), {"one": {**publishing("8080"), "scale": 1}}) == []
