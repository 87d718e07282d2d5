"""A backup that reads whole and cannot be restored: one word for it everywhere, nothing lost."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.restoring import read_refused
from koprogo_agent.update.status import read_status
from tests.simulation.checks import assert_sound
from tests.simulation.images import Program
from tests.simulation.instance import Instance
from tests.simulation.releases import services

WHY = 'relation "buildings" does not exist'


def spoilt(instance: Instance) -> None:
    """The database gets a view that a restore refuses."""
    instance.data.refused = WHY


def test_the_rehearsal_cannot_take_place(instance: Instance) -> None:
    """No release is blamed; backup, journal and status know why, until it is mended."""
    ids = instance.ids
    spoilt(instance)
    instance.scene.publisher.publish("1.0.1")
    instance.tick()
    failure = instance.watcher.failures[-1][1]
    assert (failure.kind, failure.code) == ("RetryLater", "rehearsal.unavailable")
    assert f"cannot be restored: {WHY}" in failure.message
    assert "ALTER FUNCTION" in failure.advice
    assert not instance.quarantined
    (noted,) = [one for one in instance.scene.disk.backups() if one.unrestorable]
    assert noted.unrestorable == WHY
    status = read_status(instance.journal, instance.settings, instance.scene.clock.now())
    assert status.restore_refused is not None
    assert status.restore_refused.said == f"{noted.path.name} cannot be restored: {WHY}"
    assert_sound(instance, ids)
    instance.data.refused = ""
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert read_refused(instance.journal) is None


def test_one_that_is_known_is_refused_before_anything_stops(instance: Instance) -> None:
    """Unless the operator asks for it all the same; then it goes back."""
    spoilt(instance)
    instance.scene.publisher.publish("1.0.1")
    instance.tick()
    (noted,) = [one for one in instance.scene.disk.backups() if one.unrestorable]
    ids, name = instance.ids, noted.path.name
    instance.watcher.began.clear()
    with pytest.raises(NeedsOperator, match=f"{name} cannot be restored: {WHY}") as raised:
        instance.requests.restore(name)
    assert raised.value.code == "backup.unrestorable"
    assert "--although-unrestorable" in raised.value.advice
    assert instance.watcher.began == []
    instance.requests = type(instance.requests)(instance.engine, although_unrestorable=True)
    assert instance.requests.restore(name).outcome is Outcome.ROLLED_BACK
    assert_sound(instance, ids)


def test_one_of_which_it_is_not_known_goes_back(instance: Instance) -> None:
    """Users keep what they had, no release is blamed, and the next try is refused at once."""
    spoilt(instance)
    dump = instance.engine.backups.by_hand()
    ids = instance.ids
    ran = instance.requests.restore(dump.path.name)
    assert ran.outcome is Outcome.ROLLED_BACK
    assert not instance.quarantined
    assert instance.watcher.failures[-1][1].code == "backup.unrestorable"
    assert_sound(instance, ids)
    with pytest.raises(NeedsOperator, match="cannot be restored"):
        instance.requests.restore(dump.path.name)


def test_what_another_image_refuses_is_not_held_against_the_backup(instance: Instance) -> None:
    """Production's own PostgreSQL may well take it."""
    spoilt(instance)
    scene = instance.scene
    scene.registry.publish("postgres", "15.9", Program("postgres"))
    scene.publisher.more = {"postgres": {**services({})["postgres"], "image": "postgres:15.9"}}
    scene.publisher.publish("1.0.1")
    instance.tick()
    assert instance.watcher.failures[-1][1].code == "rehearsal.unavailable"
    assert read_refused(instance.journal) is None
    assert not any(one.unrestorable for one in scene.disk.backups())
