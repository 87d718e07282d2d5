"""The gate: probe results over time -> healthy, not yet, failed (DESIGN, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """What a container's healthcheck says."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Container:
    """One container of the stack at one moment.

    Attributes:
        service: the compose service.
        id: the engine's full container id.
        image: the image reference as the container was created with it.
        image_id: the engine's id of that image (`sha256:…`).
        state: the engine's word: created, running, restarting, paused, exited, dead.
        exit_code: of the last run; 0 while it never ended.
        restarts: the engine's restart count since the container was created.
        labels: the labels of the container.
    """

    service: str
    id: str
    image: str
    image_id: str
    state: str
    health: Health
    exit_code: int
    restarts: int
    labels: dict[str, str]
