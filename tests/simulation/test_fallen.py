"""What falls beside a release: it is started again, and the release is not blamed for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT


@pytest.mark.parametrize(
    ("step", "release"),
    [
        ("gate", {"schema": True}),
        ("gate", {}),
        ("release", {"schema": True}),
        ("soak", {"schema": True}),
        ("soak", {}),
    ],
)
def test_a_database_that_falls_is_not_put_down_to_the_release(
    instance: Instance, step: str, release: dict[str, Any]
) -> None:
    """The release did not touch it: it is started again, and the release stays."""
    machine = instance.scene.machine
    fell: list[str] = []

    def meddle() -> None:
        database = machine.one(PROJECT, "postgres")
        if instance.watcher.began[-1:] == [step] and database and not fell:
            fell.append(database.id)
            machine.stop(database)

    machine.busy = meddle
    instance.scene.publisher.publish("1.1.0", **release)
    instance.settle()
    assert fell
    assert [failure.code for _, failure in instance.watcher.failures] == ["gate.fallen"]
    assert instance.installed == instance.running == "v1.1.0"
    assert instance.quarantined == set()


def test_a_database_that_does_not_stay_up_ends_in_quarantine(instance: Instance) -> None:
    """Nobody knows whose fault it is: it goes back each time, and is not tried for ever."""
    machine = instance.scene.machine

    def meddle() -> None:
        database = machine.one(PROJECT, "postgres")
        if instance.watcher.began[-1:] == ["gate"] and database:
            machine.stop(database)

    machine.busy = meddle
    instance.scene.publisher.publish("1.1.0", schema=True)
    for _ in range(4):
        instance.settle()
        instance.wait(3600)
    assert instance.installed == instance.running == "v1.0.0"
    assert instance.quarantined == {"v1.1.0"}
    assert instance.watcher.began.count("undo point") == 2
