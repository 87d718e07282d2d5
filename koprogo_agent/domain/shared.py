"""What belongs to a whole Compose project: its networks and volumes.

Where one is redefined, Compose goes on with a volume as it is, or with an empty one; and it takes
every service off a network that it makes anew, those too that it is not told of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from koprogo_agent.domain.overlay import Model, services


def redefined_networks(before: Model, after: Model) -> tuple[str, ...]:
    """The networks that are in both models and are not the same; what comes or goes moves nobody.

    By their keys in the compose files: one with another name is another network.
    """
    old, new = _defined(before, "networks"), _defined(after, "networks")
    return tuple(sorted(key for key in old.keys() & new.keys() if old[key] != new[key]))


def redefined_volumes(before: Model, after: Model) -> tuple[str, ...]:
    """The volumes that a service mounts before as after, and that are not the same any more."""
    old, new = _defined(before, "volumes"), _defined(after, "volumes")
    mounted = _mounted(before) & _mounted(after)
    return tuple(sorted(key for key in mounted if old.get(key) != new.get(key)))


def _mounted(model: Model) -> set[str]:
    mounts = [mount for one in services(model).values() for mount in one.get("volumes", ())]
    return {str(mount.get("source", "")) for mount in mounts if mount.get("type") == "volume"}


def _defined(model: Model, kind: str) -> dict[str, Mapping[str, Any]]:
    return {key: one or {} for key, one in (model.get(kind) or {}).items()}
