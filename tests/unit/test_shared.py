"""What belongs to a whole project: its networks, and which volumes are redefined."""

from __future__ import annotations

from typing import Any

from koprogo_agent.domain.gate import Container, Health
from koprogo_agent.domain.shared import (
    disconnected,
    networks_of,
    own_networks,
    redefined_volumes,
)

MODEL: dict[str, Any] = {
    "services": {
        "postgres": {"volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
        "backend": {"volumes": [{"type": "bind", "source": "/etc/x", "target": "/x"}]},
    },
    "networks": {"default": {"name": "koprogo_default"}, "mail": None},
    "volumes": {"data": {"name": "koprogo_data"}, "logs": {"name": "koprogo_logs"}},
}


USED: dict[str, Any] = {
    "services": {
        "postgres": {"networks": {"default": None}},
        "backend": {"networks": {"default": {"aliases": ["api"]}, "proxy": None}},
        "sidecar": {"network_mode": "service:backend"},
    },
    "networks": {
        "default": {"name": "koprogo_default"},
        "proxy": {"name": "traefik", "external": True},
        "unused": {"name": "koprogo_unused"},
    },
}


def test_the_networks_of_a_service() -> None:
    """By the engine's names; a service that shares another's has none."""
    assert networks_of(USED, "backend") == {"koprogo_default": {"aliases": ["api"]}, "traefik": {}}
    assert networks_of(USED, "sidecar") == networks_of(USED, "unknown") == {}


def test_the_networks_that_compose_makes() -> None:
    """Those that a service uses and that are the project's own."""
    assert own_networks(USED) == ("default",)


def test_a_container_that_is_not_in_a_network_of_its_service() -> None:
    """It may be in others as well."""
    one = Container(
        service="backend",
        id="1",
        image="backend:1",
        image_id="sha256:1",
        state="running",
        health=Health.NONE,
        exit_code=0,
        restarts=0,
        labels={},
        may_end=False,
        networks=frozenset({"traefik", "another"}),
    )
    assert disconnected(USED, one) == ("koprogo_default",)


def test_a_volume_is_redefined_where_its_service_keeps_it() -> None:
    """One that nothing mounts, or that is new, holds nothing that could stay behind."""
    moved = {**MODEL, "volumes": {"data": {"name": "elsewhere"}, "logs": {"name": "other"}}}
    assert redefined_volumes(MODEL, moved) == ("data",)
    assert redefined_volumes(MODEL, MODEL) == ()
    assert redefined_volumes({"services": {}}, moved) == ()
