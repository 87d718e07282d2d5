"""All connections of the database are taken, and not by the release: it is never blamed."""

from __future__ import annotations

from collections.abc import Callable

from koprogo_agent.domain.states import Outcome
from koprogo_agent.ports import NO_CONNECTION, Session
from tests.simulation.checks import assert_no_row_lost, assert_nothing_left
from tests.simulation.instance import Instance

HOARDER = (Session("koprogo", "postgres", "10.0.0.99", "idle"),)


def taken_while(instance: Instance, action: str) -> Callable[[], None]:
    """Somebody holds all connections while an action is under way."""
    database = instance.scene.database

    def meddle() -> None:
        began = instance.watcher.began
        database.held = HOARDER if began and began[-1] == action else ()

    return meddle


def bring(instance: Instance, action: str) -> Outcome:
    """Brings a schema change during an action of which all connections are taken."""
    meddle, write = taken_while(instance, action), instance.scene.users.write

    def each() -> None:
        meddle()
        write()

    instance.scene.users.failed.clear()
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.taps.each = instance.scene.machine.busy = each
    instance.tick()
    return instance.journal.past(1)[0].outcome


def test_before_the_hold_the_release_waits(instance: Instance) -> None:
    """Nothing was stopped, and nothing is said against the release, which comes later."""
    assert bring(instance, "backup") is Outcome.POSTPONED
    assert not instance.quarantined
    assert instance.running == "v1.0.0"
    instance.scene.database.held, instance.scene.machine.busy = (), None
    instance.restart()
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"
    assert instance.scene.users.failed == []


def test_without_a_point_it_is_taken_back_and_never_blamed(instance: Instance) -> None:
    """However often; users wait meanwhile, and none is turned away."""
    assert bring(instance, "point") is Outcome.ROLLED_BACK
    for _ in range(4):
        instance.wait(3600)
        instance.tick()
    causes = {one.operation.state.cause.code for one in instance.journal.past(5)}  # type: ignore[union-attr]
    assert (len(instance.journal.past(9)) > 4, causes) == (True, {NO_CONNECTION})
    assert not instance.quarantined
    assert instance.running == instance.installed == "v1.0.0"
    assert instance.scene.users.failed == []
    assert_no_row_lost(instance)
    assert_nothing_left(instance)


def test_what_passed_its_gate_is_not_taken_back(instance: Instance) -> None:
    """It may hold all connections itself; that nobody can count its writes is no reason."""
    assert bring(instance, "gate") is Outcome.COMMITTED
    assert instance.running == instance.installed == "v1.1.0"
    assert instance.scene.users.failed == []
