"""Networks of compose projects: whether one can be made, which are made anew, who is in them.

Compose writes a hash of a network's definition into a label (from 2.31 on), and makes the network
anew when the hash differs. That hash cannot be told from what the engine says of a network, nor
from another version of Compose. So Compose itself is asked, by a dry run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.compose import failures
from koprogo_agent.adapters.compose.containers import (
    Details,
    Entry,
    details,
    endpoints,
    of_services,
)
from koprogo_agent.domain.overlay import Model
from koprogo_agent.domain.shared import networks_of
from koprogo_agent.errors import RetryLater
from koprogo_agent.process import Completed

if TYPE_CHECKING:
    from docker import APIClient

_SUFFIX = "-koprogo-agent-try"
_BRIDGE = {None, "", "default", "bridge"}
_TAKEN_BY_ITSELF = "com.docker.network.bridge.name"
"""The option with which a network names its device on the host."""
_REMOVED = re.compile(rb"^[^\n]*\bNetwork (\S+)\s+Removed\s*$", re.MULTILINE)
_NO_DRY_RUN = b"unknown flag: --dry-run"


def replaced(host: str, done: Completed) -> tuple[str, ...]:
    """Return the networks that a dry run of compose has made anew.

    Raises:
        RetryLater: the dry run failed (code `compose.dry_run`), or the engine does not answer.
    """
    if done.returncode and _NO_DRY_RUN in done.stderr:
        return ()  # it is older than the comparison
    if done.returncode:
        docker_api.check(host)
        words = failures.last_words(done.stderr)
        raise RetryLater(
            f"compose does not say what it would do with the networks: {words}",
            code="compose.dry_run",
        )
    return tuple(sorted({name.decode() for name in _REMOVED.findall(done.stderr)}))


def connect(host: str, project_name: str, model: Model) -> None:
    """Connect the containers of services to the networks that they are to be in.

    With the aliases and addresses that Compose would give them. A connection to a network that was
    removed goes: a container that has one cannot start.

    Raises:
        RetryLater: the engine refuses it.
    """
    from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need

    known = {str(one["Name"]): str(one["Id"]) for one in docker_api.read(host, "/networks") or []}
    with docker_api.client(host) as api:
        for entry in of_services(host, project_name):
            told = details(host, entry.id)
            if told is None or not _has_networks(told):
                continue
            try:
                _connect(api, entry, endpoints(told), networks_of(model, entry.service), known)
            except APIError as error:
                words = f"cannot connect {entry.name} to its networks: {error.explanation}"
                raise failures.of_machine(words) or docker_api.failed(words) from error


def _connect(
    api: APIClient,
    entry: Entry,
    there: Mapping[str, str],
    wanted: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, str],
) -> None:
    for name, identity in there.items():
        if identity and identity not in known.values():
            api.disconnect_container_from_network(entry.id, name, force=True)
    for name, use in wanted.items():
        if name in known and there.get(name) not in {"", known[name]}:
            api.connect_container_to_network(entry.id, known[name], **_endpoint(entry, use))


def _has_networks(told: Details) -> bool:
    """Whether a container has networks of its own: not those of the host, or of another one."""
    mode = str(told["HostConfig"]["NetworkMode"])
    return mode not in {"host", "none"} and not mode.startswith("container:")


def _endpoint(entry: Entry, use: Mapping[str, Any]) -> dict[str, Any]:
    """How a container is in a network: `createEndpointSettings` of docker/compose."""
    return {
        "aliases": [entry.name, entry.service, *use.get("aliases", ())],
        "ipv4_address": use.get("ipv4_address"),
        "ipv6_address": use.get("ipv6_address"),
        "link_local_ips": use.get("link_local_ips"),
        "driver_opt": use.get("driver_opts"),
        "mac_address": use.get("mac_address"),
    }


def try_out(host: str, name: str, definition: Mapping[str, Any]) -> None:
    """Make a network as a model defines it, and remove it again.

    The engine cannot be asked in another way: its address pools are in no answer of its API. Where
    a network of this name has some of the addresses now, they are compared with those of others.

    Raises:
        RetryLater: there are no addresses for it (code `engine.addresses`), or the engine fails.
    """
    from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need
    from docker.types import IPAMConfig, IPAMPool  # noqa: PLC0415

    if definition.get("driver") not in _BRIDGE:
        return  # addresses of other drivers are not the engine's to give
    ipam = definition.get("ipam") or {}
    wanted = ipam.get("config") or ()
    free = tuple(_asked_for(host, name, wanted))
    pools = [IPAMPool(one.get("subnet"), one.get("ip_range"), one.get("gateway")) for one in free]
    options = {
        k: v for k, v in (definition.get("driver_opts") or {}).items() if k != _TAKEN_BY_ITSELF
    }
    with docker_api.client(host) as api:
        _remove(api, f"{name}{_SUFFIX}")
        try:
            api.create_network(
                f"{name}{_SUFFIX}",
                driver="bridge",
                options=options,
                ipam=IPAMConfig(driver=ipam.get("driver") or "default", pool_configs=pools),
                internal=True,
                enable_ipv6=bool(definition.get("enable_ipv6")) and len(free) == len(wanted),
            )
        except APIError as error:
            words = f"cannot make the network {name}: {error.explanation}"
            raise failures.of_machine(words) or docker_api.failed(words) from error
        finally:
            _remove(api, f"{name}{_SUFFIX}")


def _asked_for(
    host: str, name: str, pools: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield the pools that the engine can be asked for while the network has its own.

    Raises:
        RetryLater: another network has the addresses of one of the rest.
    """
    told = docker_api.read(host, "/networks") or []
    for pool in pools:
        if not pool.get("subnet"):
            yield pool
            continue
        having = [str(one["Name"]) for one in told if _overlaps(str(pool["subnet"]), one)]
        if name not in having:
            yield pool
        elif others := [one for one in having if one != name]:
            words = f"cannot make the network {name}: Pool overlaps with other one, of {others[0]}"
            raise failures.of_machine(words) or docker_api.failed(words)


def _overlaps(subnet: str, network: Mapping[str, Any]) -> bool:
    wanted = ip_network(subnet, strict=False)
    pools = (network.get("IPAM") or {}).get("Config") or ()
    found = (ip_network(one["Subnet"], strict=False) for one in pools if one.get("Subnet"))
    return any(one.version == wanted.version and one.overlaps(wanted) for one in found)


def _remove(api: APIClient, name: str) -> None:
    """Remove a network of this name, such as one that a killed agent has left."""
    for one in api.networks(names=[name]):
        if one["Name"] == name:
            api.remove_network(one["Id"])
