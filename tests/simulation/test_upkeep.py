"""What the agent does besides updates: rollback and restore by hand, drift, pruning, backups."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import NeedsOperator, Refused
from tests.simulation.checks import (
    assert_ids_kept,
    assert_no_row_lost,
    assert_serves,
    assert_sound,
    is_held,
)
from tests.simulation.images import Program
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT

_DISK = NeedsOperator("the disk fails", code="disk.fails")


def test_rollback_by_hand(instance: Instance) -> None:
    """The last good release runs again, and the one that was left is not installed again."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    instance.requests.rollback()
    instance.settle()
    assert instance.installed == "v1.0.0"
    assert instance.quarantined == {"v1.0.1"}
    assert_sound(instance, ids)


def test_rollback_over_a_schema_change_is_refused(instance: Instance) -> None:
    """The old release cannot run on the new schema, and going back with the data loses rows."""
    with pytest.raises(Refused, match="no earlier release"):
        instance.requests.rollback()
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    with pytest.raises(Refused, match="cannot run on the database"):
        instance.requests.rollback()
    assert instance.running == "v1.1.0"


def test_restore_of_a_backup(instance: Instance) -> None:
    """A backup comes back with the release whose data it holds; what was there is backed up."""
    ids = instance.ids
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    backup = instance.scene.disk.backups()[0]
    instance.scene.users.acknowledged.clear()  # the operator knows: what came after it goes
    ran = instance.requests.restore(backup.path.name)
    assert ran.outcome is Outcome.COMMITTED
    instance.settle()
    assert instance.running == instance.installed == "v1.0.0"
    assert instance.quarantined == {"v1.1.0"}  # else the next tick would bring it again
    assert instance.data.applied == [1]
    newest = instance.scene.disk.backups()[-1]
    assert newest.label.endswith("v1.1.0")
    assert_ids_kept(instance, ids)
    with pytest.raises(Refused):
        instance.requests.restore("no-such-file.dump")


def test_corrupt_backup_is_not_restored(instance: Instance) -> None:
    """A backup that cannot be read leaves everything as it was, with every row."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    ids, backup = instance.ids, instance.scene.disk.backups()[0]
    instance.scene.disk.backups_kept[backup.path] = b"{"
    ran = instance.requests.restore(backup.path.name)
    assert ran.outcome is Outcome.ROLLED_BACK
    instance.settle()
    assert instance.installed == "v1.1.0"
    assert_sound(instance, ids)


def _stop_by_hand(instance: Instance) -> None:
    box = instance.scene.machine.one(PROJECT, "frontend")
    assert box is not None
    instance.scene.machine.stop(box)


def test_drift_is_reported(folder: Path) -> None:
    """With `drift = "report"`, a stopped container is reported once, and left as it is."""
    instance = Instance.new(folder, policy={"drift": "report"})
    instance.install()
    _stop_by_hand(instance)
    instance.settle()
    drift = instance.engine.standing.drift
    assert drift is not None
    assert drift.differences == ("frontend is exited",)
    told = [title for title, _ in instance.scene.notifier.told]
    assert told.count("KoproGo: the stack was changed") == 1


def test_drift_is_healed(folder: Path) -> None:
    """With `drift = "heal"` it is put right; nothing else restarts."""
    made = Instance.new(folder, policy={"drift": "heal"})
    made.install()
    ids = made.ids
    _stop_by_hand(made)
    made.settle()
    assert made.ids == ids
    assert made.engine.drift() == ()
    assert_serves(made)


def test_pruning(instance: Instance) -> None:
    """Images and files of the installed and the last good release stay, and what is not ours."""
    images = instance.scene.images
    images.names["operator/own:1"] = Program("server", "own")
    for version in ("1.0.1", "1.0.2", "1.0.3"):
        instance.scene.publisher.publish(version)
        instance.settle()
    versions = {program.version for program in images.names.values()}
    assert versions == {"", "1.0.2", "1.0.3", "own"}
    assert instance.scene.disk.releases() == ("v1.0.2", "v1.0.3")


def test_backups_are_kept_by_sort(folder: Path) -> None:
    """So many of each sort stay, the newest of them; those made by hand all stay."""
    made = Instance.new(
        folder, backup={"daily_at": time(3, 30), "keep_daily": 3, "keep_updates": 1}
    )
    made.install()
    for version in ("1.0.1", "1.0.2"):
        made.engine.backups.by_hand()
        made.scene.publisher.publish(version)
        made.settle()
    for _ in range(6):
        made.wait(86400)
        made.tick()
    labels = [dump.label.split("-")[0] for dump in made.scene.disk.backups()]
    assert {sort: labels.count(sort) for sort in labels} == {"daily": 3, "update": 1, "manual": 2}
    assert made.scene.disk.backups()[-1].label.endswith("v1.0.2")


def test_daily_backup_without_room(folder: Path) -> None:
    """A backup for which there is no room is told once, tried again, and made in the end."""
    made = Instance.new(folder, backup={"daily_at": time(3, 30)})
    made.install()
    kept = len(made.scene.disk.backups())
    made.scene.disk.free = 1000
    made.wait(86400)
    made.settle()
    made.settle()
    assert len(made.scene.disk.backups()) == kept
    told = [title for title, _ in made.scene.notifier.told]
    assert told.count("KoproGo: no backup") == 1
    made.scene.disk.free = 10**9
    made.watcher.notes.clear()
    made.settle()
    assert len(made.scene.disk.backups()) == kept + 1
    # Whoever watches over the daemon must not take a long backup for one that hangs.
    assert made.watcher.notes == {"dump", "verify"}


def test_held_and_resumed(instance: Instance) -> None:
    """A way back that fails is HELD, says so, and goes on where it stood when it is mended."""
    ids = instance.ids
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    instance.scene.database.swap_failure = _DISK
    instance.settle()
    assert is_held(instance)
    assert instance.quarantined == {"v1.1.0"}
    assert_no_row_lost(instance)
    with pytest.raises(NeedsOperator, match="nothing is changed"):
        instance.requests.update(None)
    instance.scene.database.swap_failure = None
    assert instance.requests.resume()
    instance.settle()
    assert instance.installed == "v1.0.0"
    assert_sound(instance, ids)


def test_held_and_mended_by_hand(instance: Instance) -> None:
    """Where an operator has put the data right by hand, and users wrote, nothing goes over it."""
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    instance.scene.database.swap_failure = _DISK
    instance.settle()
    assert is_held(instance)
    instance.scene.database.swap_failure = None
    instance.data.write("a row that a person has saved")
    instance.scene.users.acknowledged.append("a row that a person has saved")
    assert instance.requests.resume()
    instance.settle()
    assert_no_row_lost(instance)
