"""Watching after the commit: it takes its time, and stands in nobody's way."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.machine import MAX_TRIES
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import Refused
from koprogo_agent.update.runner import Ran
from tests.simulation.checks import assert_no_row_lost, assert_sound
from tests.simulation.instance import Instance


def update(instance: Instance, version: str, *, schema: bool = False) -> Ran:
    """A tick that installs a release and goes on to other things while it is watched."""
    instance.scene.publisher.publish(version, schema=schema)
    ran = instance.act(instance.engine.tick)
    assert ran is not None
    assert ran.watches
    assert instance.installed == f"v{version}"
    return ran


def test_polls_go_on_while_it_is_watched(instance: Instance) -> None:
    """A newer release, which may close a hole, does not wait for the end of the soak."""
    ids = instance.ids
    first = update(instance, "1.0.1")
    update(instance, "1.0.2")
    assert instance.journal.past(1)[0].operation.id == first.operation.id
    assert instance.journal.past(1)[0].outcome is Outcome.COMMITTED
    instance.settle()
    assert_sound(instance, ids)


def test_going_back_while_it_is_watched(instance: Instance) -> None:
    """Nobody who sees that a release is bad has to wait for the agent to see it."""
    ids = instance.ids
    update(instance, "1.0.1")
    ran = instance.requests.rollback()
    assert ran.outcome is Outcome.COMMITTED
    assert instance.installed == instance.running == "v1.0.0"
    instance.settle()
    assert instance.installed == "v1.0.0"
    assert_sound(instance, ids)


def test_what_cannot_go_back_is_watched_on(instance: Instance) -> None:
    """A rollback that is refused changes nothing, the watching neither."""
    update(instance, "1.1.0", schema=True)
    with pytest.raises(Refused):
        instance.requests.rollback()
    live = instance.journal.live()
    assert live is not None
    assert live.state.watches
    instance.settle()
    assert instance.installed == "v1.1.0"
    assert_no_row_lost(instance)


def test_restarts_of_the_agent_are_no_failure_of_the_release(instance: Instance) -> None:
    """However often the machine reboots while a release is watched, it stays."""
    update(instance, "1.0.1")
    for _ in range(2 * MAX_TRIES):
        instance.restart()
        instance.wait(1)
        ran = instance.act(instance.engine.tick)
        assert ran is not None
        assert ran.watches
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert instance.quarantined == set()


def test_a_missing_env_file_is_not_the_releases_fault(instance: Instance) -> None:
    """The soak goes on with what runs; the operator is told once, and nothing is rolled back."""
    update(instance, "1.0.1")
    env_file = instance.settings.stack.env_files[0]
    kept = env_file.read_text()
    env_file.unlink()
    ran = instance.engine.finish()
    while ran is not None and ran.watches:
        instance.wait(15)
        ran = instance.engine.finish()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert (instance.installed, instance.quarantined) == ("v1.0.1", set())
    told = [title for title, _ in instance.scene.notifier.told]
    assert told.count("KoproGo: a file of yours is missing") == 1
    env_file.write_text(kept)
    instance.settle()
    assert instance.installed == instance.running == "v1.0.1"


def test_a_missing_env_file_hides_no_fault_of_the_release(instance: Instance) -> None:
    """What runs is judged all the same; the way back goes on once the file is there again."""
    update(instance, "1.0.1")
    env_file = instance.settings.stack.env_files[0]
    kept = env_file.read_text()
    env_file.unlink()
    box = instance.scene.machine.one("koprogo", "backend")
    assert box is not None
    instance.scene.machine.remove(box)
    instance.act(instance.engine.finish)
    assert next(one.code for _, one in instance.watcher.failures) == "gate.failed"
    env_file.write_text(kept)
    instance.requests.resume()
    instance.settle()
    assert instance.installed == instance.running == "v1.0.0"
    assert_no_row_lost(instance)
