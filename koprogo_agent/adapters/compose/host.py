"""What the host has already: all containers, listening sockets, networks, volumes. Reading only."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.compose.containers import ONE_OFF, PROJECT, SERVICE
from koprogo_agent.domain.host import Holder, Host, Port

_SOCKETS = Path("/proc/self/net")
_TABLES = (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))
_BOUND = {"tcp": "0A", "udp": "07"}
"""The state of a socket that has its port for itself, in the kernel's numbers (proc(5))."""
_V4_LENGTH = 8


def read(host: str) -> Host:
    """Return what the engine and the kernel have; raises as `docker_api.read`."""
    containers = docker_api.read(host, "/containers/json", all="1") or []
    networks = docker_api.read(host, "/networks") or []
    volumes = (docker_api.read(host, "/volumes") or {}).get("Volumes") or []
    return Host(
        holders=tuple(_holder(one) for one in containers),
        listening=tuple(_listening()),
        networks=frozenset(str(one["Name"]) for one in networks),
        volumes=frozenset(str(one["Name"]) for one in volumes),
    )


def _holder(told: Mapping[str, Any]) -> Holder:
    labels = told["Labels"] or {}
    published = (one for one in told.get("Ports") or () if one.get("PublicPort"))
    return Holder(
        # a container that others link to has more names, with the links in them
        name=min((name.removeprefix("/") for name in told["Names"] or ("",)), key=len),
        project=labels.get(PROJECT, ""),
        service=labels.get(SERVICE, ""),
        state=told["State"],
        one_off=labels.get(ONE_OFF) == "True",
        ports=tuple(Port(one.get("IP", ""), one["PublicPort"], one["Type"]) for one in published),
        networks=frozenset((told.get("NetworkSettings") or {}).get("Networks") or {}),
    )


def _listening() -> Iterator[Port]:
    for table, protocol in _TABLES:
        try:
            lines = (_SOCKETS / table).read_text().splitlines()
        except OSError:
            continue  # without IPv6 there is no such table
        yield from sockets(lines, protocol)


def sockets(lines: Iterable[str], protocol: str) -> Iterator[Port]:
    """Yield the ports at which programs listen, out of the lines of a table of proc(5)."""
    for line in lines:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _BOUND[protocol]:  # noqa: PLR2004 - the state's column
            address, _, number = fields[1].partition(":")
            yield Port(_address(address), int(number, 16), protocol)


def _address(written: str) -> str:
    """The address of a socket: 32-bit words in the byte order of the machine, in hexadecimal."""
    words = [int(written[at : at + 8], 16) for at in range(0, len(written), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(written) == _V4_LENGTH else socket.AF_INET6
    return socket.inet_ntop(family, packed).removeprefix("::ffff:")
