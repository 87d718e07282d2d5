"""What belongs to a whole Compose project: its networks and volumes.

If a release redefines a volume, Compose keeps the old one or creates an empty one. If a network is
redefined, Compose makes it anew for the services that it is told of, and leaves the containers of
all others disconnected. So networks are changed for the whole project, and volumes not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.overlay import Model, services


def networks_of(model: Model, service: str) -> dict[str, Mapping[str, Any]]:
    """Map the networks of a service, by the engine's names, to how the service is in them."""
    defined = _defined(model, "networks")
    uses = services(model).get(service, {}).get("networks") or {}
    return {str(defined[key].get("name") or key): uses[key] or {} for key in uses if key in defined}


def own_networks(model: Model) -> tuple[str, ...]:
    """Return the networks that Compose makes for the services, by their keys in the files."""
    used = {key for one in services(model).values() for key in one.get("networks") or ()}
    defined = _defined(model, "networks")
    return tuple(sorted(key for key in used & defined.keys() if not defined[key].get("external")))


def disconnected(model: Model, container: Container) -> tuple[str, ...]:
    """Return the networks of its service in which a container is not."""
    return tuple(sorted(networks_of(model, container.service).keys() - container.networks))


def redefined_volumes(before: Model, after: Model) -> tuple[str, ...]:
    """Return the volumes that are mounted in both models and whose definition differs."""
    old, new = _defined(before, "volumes"), _defined(after, "volumes")
    mounted = _mounted(before) & _mounted(after)
    return tuple(sorted(key for key in mounted if old.get(key) != new.get(key)))


def _mounted(model: Model) -> set[str]:
    mounts = [mount for one in services(model).values() for mount in one.get("volumes", ())]
    return {str(mount.get("source", "")) for mount in mounts if mount.get("type") == "volume"}


def _defined(model: Model, kind: str) -> dict[str, Mapping[str, Any]]:
    return {key: one or {} for key, one in (model.get(kind) or {}).items()}
