"""The host: what a release needs of the machine, compared with what others have already.

A port, a name or a network that the machine cannot give is found before anything is stopped. It is
never the release's fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from koprogo_agent.domain.overlay import Model, replicas, services
from koprogo_agent.errors import DISK_FULL, READ_ONLY

PORT_TAKEN = "port.taken"
NAME_TAKEN = "name.taken"
PAUSED = "container.paused"
PORT_TWICE = "port.twice"
NO_NETWORK = "network.missing"
NO_VOLUME = "volume.missing"
NO_ADDRESSES = "engine.addresses"
ADDRESS_TAKEN = "address.taken"
NO_DEVICE = "device.missing"
NETWORK_LOST = "engine.network"
NETWORK_USED = "network.used"

MACHINE_FAULTS = frozenset(
    {
        *(PORT_TAKEN, NAME_TAKEN, PAUSED, NO_NETWORK, NO_VOLUME),
        *(NO_ADDRESSES, ADDRESS_TAKEN, NO_DEVICE, NETWORK_LOST, NETWORK_USED),
        *(DISK_FULL, READ_ONLY),
    }
)
"""Codes of faults of the machine, for which no release is quarantined."""
MAY_BE_ITS_OWN = frozenset({PORT_TAKEN, NAME_TAKEN, ADDRESS_TAKEN, NO_DEVICE})
"""Those that a release can bring about itself, where its own services are in each other's way.

What others have is found before anything stops. If it fails in the exchange all the same, time and
again, it is the release's own arrangement.
"""

_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened at
_TRANSPORTS = frozenset({"tcp", "udp"})


@dataclass(frozen=True)
class Port:
    """A port of the host.

    Attributes:
        address: the address that it is bound to; an empty string or a wildcard for all of them.
        number: 1 to 65535.
        protocol: `tcp` or `udp`.
    """

    address: str
    number: int
    protocol: str = "tcp"

    def collides(self, other: Port) -> bool:
        """Whether both cannot be bound at the same time.

        A program that listens at `::` usually has all IPv4 addresses as well.
        """
        same = (self.number, self.protocol) == (other.number, other.protocol)
        anywhere = bool({self.address, other.address} & _ANY)
        return same and (anywhere or self.address == other.address)


@dataclass(frozen=True)
class Holder:
    """A container of the engine, of any project, and what of the host it has.

    Attributes:
        project: the Compose project that it belongs to, or an empty string.
        service: the service of that project, or an empty string.
        state: the engine's word.
        one_off: whether it is a one-off container, which is no service's own.
        ports: the ports that it publishes now.
        networks: the names of the networks that it is in.
    """

    name: str
    project: str
    service: str
    state: str
    one_off: bool = False
    ports: tuple[Port, ...] = ()
    networks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Host:
    """What the machine has.

    Attributes:
        holders: all containers of the engine.
        listening: the ports at which any program listens; those of containers may be among them.
        networks: the names of the engine's networks.
        volumes: the names of the engine's volumes.
    """

    holders: tuple[Holder, ...] = ()
    listening: tuple[Port, ...] = ()
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Objection:
    """Something that the machine cannot give.

    Attributes:
        code: machine-readable name, one of `MACHINE_FAULTS`.
        words: one sentence: what, and who has it where that is known.
        advice: what to type.
    """

    code: str
    words: str
    advice: str


def objections(
    model: Model, project: str, host: Host, dropped: Iterable[str] = ()
) -> tuple[Objection, ...]:
    """Return everything that stands in the way of starting a model on this machine.

    Args:
        model: the rendered compose model.
        project: the name of its Compose project.
        host: what the machine has.
        dropped: services that run now and are not in the model: what they have is given up.
    """
    mine, others = _parted(model, project, host, dropped)
    wanted = {name: one for name, one in services(model).items() if replicas(one)}
    found = [*(paused_by_hand(one.service, one.name) for one in mine if one.state == "paused")]
    found += _collisions(wanted)
    for name, service in wanted.items():
        found += _ports(name, service, mine, others, host.listening)
        found += _names(name, service, project, mine, others)
    found += _external(model, "networks", host.networks)
    found += _external(model, "volumes", host.volumes)
    return tuple(found)


def in_the_way(model: Model, project: str, host: Host) -> frozenset[str]:
    """Return the services whose containers have a name or port that another one is to have.

    A release may give either to another service. Compose makes no room for that: it may come to the
    one that is to have it first. What keeps it by the model itself is left alone.
    """
    mine = [one for one in host.holders if one.project == project and not one.one_off]
    found = set[str]()
    for name, service in services(model).items():
        if replicas(service):
            found |= {one.service for one in mine if one.service != name and _has(one, service)}
    known = services(model)
    return frozenset(
        one.service
        for one in mine
        if one.service in found & known.keys() and not _has(one, known[one.service])
    )


def _has(holder: Holder, service: Mapping[str, Any]) -> bool:
    """Whether a container has the name or a port that a service asks for."""
    ports = [choice[0] for choice in _published(service) if len(choice) == 1]
    named = bool(service.get("container_name")) and holder.name == service["container_name"]
    return named or any(port.collides(other) for port in ports for other in holder.ports)


def _parted(
    model: Model, project: str, host: Host, dropped: Iterable[str]
) -> tuple[list[Holder], list[Holder]]:
    """The containers of the stack's own services, and those of others."""
    known = {*services(model), *dropped}
    mine, others = list[Holder](), list[Holder]()
    for one in host.holders:
        own = one.project == project and one.service in known and not one.one_off
        (mine if own else others).append(one)
    return mine, others


def strangers(
    model: Model, project: str, host: Host, networks: Iterable[str], dropped: Iterable[str] = ()
) -> Iterator[Objection]:
    """Yield the running containers of others in networks that are to be made anew.

    The engine does not remove a network while a running container is in it.
    """
    _, others = _parted(model, project, host, dropped)
    for name in networks:
        for one in others:
            if name in one.networks and one.state not in _AT_REST:
                words = (
                    f"the definition of the network {name} has changed, so that it is to be made"
                    f" anew, and {one.name} is in it, which is {_whose(one)}"
                )
                yield Objection(NETWORK_USED, words, f"docker network disconnect {name} {one.name}")


_AT_REST = frozenset({"created", "exited", "dead"})
"""States in which a container takes no part in a network."""


def new_networks(
    model: Model, host: Host, anew: Collection[str] = ()
) -> dict[str, Mapping[str, Any]]:
    """Return the networks, by name, that the engine has to make for a model, or to make anew."""
    named = {
        str((one or {}).get("name") or key): one or {}
        for key, one in (model.get("networks") or {}).items()
    }
    return {
        name: one
        for name, one in named.items()
        if (name in anew or name not in host.networks) and not one.get("external")
    }


def paused_by_hand(service: str, container: str) -> Objection:
    """The objection that a container is paused."""
    words = f"the container of {service} is paused, and a person did that: the agent waits"
    return Objection(PAUSED, words, f"once it may run again: docker unpause {container}")


def _ports(
    name: str,
    service: Mapping[str, Any],
    mine: Iterable[Holder],
    others: Iterable[Holder],
    listening: Iterable[Port],
) -> Iterator[Objection]:
    """Yield the ports of a service that something else has.

    Ports of the stack's own containers are left out: they are given up in the exchange.
    """
    own = [port for one in mine for port in one.ports]
    strange = [one for one in listening if not any(one.collides(port) for port in own)]
    for choice in _published(service):
        if all(_holder_of(port, others, strange) for port in choice):
            yield _port_taken(name, choice[0], _holder_of(choice[0], others, strange))


def _collisions(wanted: Mapping[str, Mapping[str, Any]]) -> Iterator[Objection]:
    """Yield the ports that two services of the model publish, or two containers of one.

    The release may have it so, or the operator's override: the model does not tell.
    """
    fixed = [
        (name, choice[0])
        for name, service in wanted.items()
        for choice in _published(service)
        if len(choice) == 1
    ]
    for name, port in fixed:
        if (count := replicas(wanted[name])) > 1:
            words = f"{count} containers of {name} would all publish port {port.number}"
            advice = (
                f'give {name} one container, or a port for each: ports: !override ["8000-8001:80"]'
            )
            yield Objection(PORT_TWICE, words, advice)
    for (one, port), (other, same) in combinations(fixed, 2):
        if one != other and port.collides(same):
            words = f"{one} and {other} both publish port {port.number}/{port.protocol}"
            advice = (
                f"give {other} another port in your override file:"
                ' ports: !override ["PORT:PORT"]; without !override, Compose adds it to the others'
            )
            yield Objection(PORT_TWICE, words, advice)


def _holder_of(port: Port, others: Iterable[Holder], listening: Iterable[Port]) -> str:
    """Who else has a port: a container by name, a program in general; an empty string: free."""
    for one in others:
        if any(port.collides(other) for other in one.ports):
            return f"the container {one.name}"
    return "another program" if any(port.collides(other) for other in listening) else ""


def _published(service: Mapping[str, Any]) -> Iterator[tuple[Port, ...]]:
    """Yield, for each published port of a service, the ports of which the engine takes one."""
    for port in service.get("ports", ()):
        protocol = port.get("protocol", "tcp")
        first, _, last = str(port.get("published") or "").partition("-")
        if not first.isdigit() or protocol not in _TRANSPORTS:
            continue  # the engine chooses a free one
        numbers = range(int(first), int(last if last.isdigit() else first) + 1)
        found = tuple(Port(port.get("host_ip", ""), one, protocol) for one in numbers)
        if found and found[0].number:
            yield found


def _port_taken(service: str, port: Port, holder: str) -> Objection:
    kind = "l" + ("u" if port.protocol == "udp" else "t") + "np"
    where = f" at {port.address}" if port.address not in _ANY else ""
    words = f"{service} needs port {port.number}/{port.protocol}{where}, which {holder} has"
    if holder.startswith("the container "):
        look = f"docker stop {holder.removeprefix('the container ')}"
    else:
        look = f"ss -{kind} 'sport = :{port.number}' shows which; stop it"
    return Objection(PORT_TAKEN, words, f"{look}, or give {service} another port")


def _names(
    name: str,
    service: Mapping[str, Any],
    project: str,
    mine: Iterable[Holder],
    others: Iterable[Holder],
) -> Iterator[Objection]:
    """Yield the container names of a service that something else has."""
    has_own = any(one.service == name for one in mine)
    chosen = service.get("container_name")
    # Compose numbers the containers of a service that has some already; the first one is 1.
    wanted = {str(chosen)} if chosen else set[str]() if has_own else {f"{project}-{name}-1"}
    for one in others:
        if one.name in wanted:
            words = f"{name} needs the container name {one.name}, which {_whose(one)} has"
            advice = (
                f"if it is of no use any more: docker rm {one.name};"
                f" else: docker rename {one.name} NEW_NAME"
            )
            yield Objection(NAME_TAKEN, words, advice)


def _whose(one: Holder) -> str:
    return f"a container of {one.project}" if one.project else "a container of no Compose project"


def _external(model: Model, kind: str, known: frozenset[str]) -> Iterator[Objection]:
    """Yield the networks or volumes that a model expects to be there, and that are not."""
    what, code = ("network", NO_NETWORK) if kind == "networks" else ("volume", NO_VOLUME)
    for key, one in (model.get(kind) or {}).items():
        if not (one or {}).get("external"):
            continue
        name = str(one.get("name") or key)
        if name not in known:
            words = f"the stack needs the {what} {name}, which this machine does not have"
            yield Objection(code, words, f"make it: docker {what} create {name}")
