"""Updates on the simulation: each kind of release, and how it ends."""

from __future__ import annotations

from tests.simulation.checks import assert_sound
from tests.simulation.instance import Instance


def test_update_with_schema_change(instance: Instance) -> None:
    """A good release with a migration is installed; every row and every unchanged id stays."""
    ids = instance.ids
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"
    assert instance.data.applied == [1, 20]
    assert instance.ids["backend"] != ids["backend"]
    assert_sound(instance, ids)


def test_update_without_schema_change(instance: Instance) -> None:
    """A good release without a migration needs no fence; every unchanged id stays."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert instance.installed == instance.running == "v1.0.1"
    assert "fence" not in instance.watcher.began
    assert_sound(instance, ids)
