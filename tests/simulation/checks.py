"""What must be true of an instance when it has come to rest, whatever struck it on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from koprogo_agent.update.standing import HeldBy
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT, way_in
from tests.simulation.postgres import APPLICATION

KEPT = ("ingress", "postgres", "storage", "bootstrap")
"""Services that no plain release changes."""


def is_held(instance: Instance) -> bool:
    """Whether the agent itself has asked for an operator."""
    held = instance.engine.standing.held
    return held is not None and held.by is HeldBy.AGENT


def assert_no_row_lost(instance: Instance) -> None:
    """Every row that a user was told is kept is in the live database. There is no unless."""
    kept = set(instance.data.rows)
    lost = [row for row in instance.scene.users.acknowledged if row not in kept]
    assert not lost, f"{len(lost)} acknowledged rows are lost: {lost[:3]}"


def assert_ids_kept(
    instance: Instance, before: Mapping[str, str], services: Iterable[str] = KEPT
) -> None:
    """What the release does not change is the very container that it was."""
    now = instance.ids
    assert {name: now.get(name) for name in services} == {name: before[name] for name in services}


def assert_serves(instance: Instance) -> None:
    """What is installed runs, healthy, on data of its own, and users come in."""
    backend = instance.scene.machine.one(PROJECT, "backend")
    assert instance.installed == instance.running
    assert way_in(instance.scene.machine)
    assert backend is not None
    assert not instance.data.refusal(backend.program)
    assert not instance.data.lacking(backend.program)


def assert_nothing_left(instance: Instance) -> None:
    """No scratch project, no scratch database, no one-off container, no room, no operation."""
    machine = instance.scene.machine
    assert instance.journal.live() is None
    assert {box.project for box in machine.boxes} <= {PROJECT}
    assert not [box for box in machine.boxes if box.one_off]
    assert not machine.rooms
    assert machine.safe is None
    assert set(machine.servers) <= {PROJECT}
    assert set(machine.servers[PROJECT].databases) == {APPLICATION}


def assert_rules_kept(instance: Instance) -> None:
    """Nothing was copied or swapped under a writer, and no fault of the agent's own showed."""
    assert not instance.scene.database.broken_rules
    bugs = [one for _, one in instance.watcher.failures if one.code == "agent.bug"]
    assert not bugs, bugs[0].message


def assert_sound(instance: Instance, before: Mapping[str, str]) -> None:
    """Old-and-healthy or new-and-healthy or HELD; in any case with every row and every id."""
    assert_no_row_lost(instance)
    assert_rules_kept(instance)
    assert_ids_kept(instance, before)
    if not is_held(instance):
        assert_serves(instance)
        assert_nothing_left(instance)
