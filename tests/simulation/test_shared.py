"""A release that redefines what belongs to the whole project."""

from __future__ import annotations

from tests.simulation.instance import Instance


def test_a_redefined_network_is_refused(watched: Instance) -> None:
    """Nothing is held for it; a network that is added is none of that."""
    publisher = watched.scene.publisher
    publisher.networks = {"default": {"name": "koprogo_default"}}
    publisher.publish("1.0.1")
    watched.settle()
    assert watched.installed == "v1.0.1"
    publisher.networks = {"default": {"name": "koprogo_default", "internal": True}}
    publisher.publish("1.0.2")
    watched.settle()
    assert watched.installed == watched.running == "v1.0.1"
    assert watched.quarantined == {"v1.0.2"}
    assert {one.code for _, one in watched.watcher.failures} == {"stage.network"}
    assert watched.scene.users.failed == []
