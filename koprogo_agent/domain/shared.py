"""What belongs to a whole Compose project: its networks and volumes.

If a release redefines a volume, Compose keeps the old one or creates an empty one. If it redefines
a network, Compose disconnects all containers from it, even those of services that are not started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from koprogo_agent.domain.overlay import Model, services


def redefined_networks(before: Model, after: Model) -> tuple[str, ...]:
    """Return the networks whose definition differs between two models; not those in one model only.

    They are compared by their keys in the compose files: another name is another network.
    """
    old, new = _defined(before, "networks"), _defined(after, "networks")
    return tuple(sorted(key for key in old.keys() & new.keys() if old[key] != new[key]))


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
