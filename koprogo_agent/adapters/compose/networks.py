"""Whether the engine has addresses for one more network; nothing of the question stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.compose import failures

if TYPE_CHECKING:
    from docker import APIClient

_SUFFIX = "-koprogo-agent-try"
_BRIDGE = {None, "", "default", "bridge"}


def try_out(host: str, name: str, definition: Mapping[str, Any]) -> None:
    """Make a network as a model defines it, and remove it again.

    The engine cannot be asked in another way: its address pools are in no answer of its API.

    Raises:
        RetryLater: there are no addresses for it (code `engine.addresses`), or the engine fails.
    """
    from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need
    from docker.types import IPAMConfig, IPAMPool  # noqa: PLC0415

    if definition.get("driver") not in _BRIDGE:
        return  # addresses of other drivers are not the engine's to give
    ipam = definition.get("ipam") or {}
    pools = [
        IPAMPool(one.get("subnet"), one.get("ip_range"), one.get("gateway"))
        for one in ipam.get("config") or ()
    ]
    with docker_api.client(host) as api:
        _remove(api, f"{name}{_SUFFIX}")
        try:
            api.create_network(
                f"{name}{_SUFFIX}",
                driver="bridge",
                ipam=IPAMConfig(driver=ipam.get("driver") or "default", pool_configs=pools),
                internal=True,
            )
        except APIError as error:
            words = f"cannot make the network {name}: {error.explanation}"
            raise failures.of_machine(words) or docker_api.failed(words) from error
        finally:
            _remove(api, f"{name}{_SUFFIX}")


def _remove(api: APIClient, name: str) -> None:
    """Remove a network of this name, such as one that a killed agent has left."""
    for one in api.networks(names=[name]):
        if one["Name"] == name:
            api.remove_network(one["Id"])
