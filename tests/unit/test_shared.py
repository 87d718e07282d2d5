"""What belongs to a whole project: what is redefined, and what only comes or goes."""

from __future__ import annotations

from typing import Any

from koprogo_agent.domain.shared import redefined_networks, redefined_volumes

MODEL: dict[str, Any] = {
    "services": {
        "postgres": {"volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
        "backend": {"volumes": [{"type": "bind", "source": "/etc/x", "target": "/x"}]},
    },
    "networks": {"default": {"name": "koprogo_default"}, "mail": None},
    "volumes": {"data": {"name": "koprogo_data"}, "logs": {"name": "koprogo_logs"}},
}


def test_a_network_is_redefined_by_anything_in_its_definition() -> None:
    """By its name as well: Compose makes another one then. What comes or goes moves nobody."""
    assert redefined_networks(MODEL, MODEL) == ()
    for definition in ({"name": "other"}, {"name": "koprogo_default", "driver": "macvlan"}):
        after = {**MODEL, "networks": {"default": definition, "new": {}}}
        assert redefined_networks(MODEL, after) == ("default",)
    assert redefined_networks({"services": {}}, MODEL) == ()


def test_a_volume_is_redefined_where_its_service_keeps_it() -> None:
    """One that nothing mounts, or that is new, holds nothing that could stay behind."""
    moved = {**MODEL, "volumes": {"data": {"name": "elsewhere"}, "logs": {"name": "other"}}}
    assert redefined_volumes(MODEL, moved) == ("data",)
    assert redefined_volumes(MODEL, MODEL) == ()
    assert redefined_volumes({"services": {}}, moved) == ()
