"""The hold: no user is turned away, whatever is exchanged, and none waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from koprogo_agent.update.preview import preview
from tests.simulation.checks import assert_no_row_lost
from tests.simulation.faults import Taps
from tests.simulation.instance import Instance
from tests.simulation.telling import told

COMMAND = {"kind": "command", "command": ("backend", "migrate")}
"""Migrations that are run for themselves, before the new version starts."""


def way(instance: Instance) -> str:
    """The way of the last hold."""
    fact = instance.journal.past(1)[0].operation.facts
    return str(next(facts for step, facts in fact.items() if step == "hold")["way"])


def test_without_schema_change_the_new_version_serves_beside_the_old(watched: Instance) -> None:
    """Nobody waits, nobody is turned away, and what stood beside is gone afterwards."""
    watched.scene.publisher.publish("1.0.1")
    watched.settle()
    assert watched.installed == watched.running == "v1.0.1"
    assert way(watched) == "beside"
    assert watched.scene.users.failed == []
    assert watched.scene.users.longest == 0


@pytest.mark.parametrize("free", [3, 0, -2])
def test_without_connections_for_two_requests_wait(watched: Instance, free: int) -> None:
    """The database has no room for a second pool: a short wait is better than refusals."""
    watched.scene.database.free = free
    watched.scene.publisher.publish("1.0.1")
    watched.settle()
    assert watched.installed == watched.running == "v1.0.1"
    assert way(watched) == "wait"
    assert watched.scene.users.failed == []
    assert 0 < watched.scene.users.longest < 15


def test_with_schema_change_requests_wait(watched: Instance) -> None:
    """Until the new version has passed its gate on the migrated data."""
    watched.scene.publisher.publish("1.1.0", schema=True)
    watched.settle()
    assert watched.installed == watched.running == "v1.1.0"
    assert way(watched) == "wait"
    assert watched.scene.users.failed == []
    assert 0 < watched.scene.users.longest < 15


def test_a_bad_release_is_taken_back_inside_the_hold(watched: Instance) -> None:
    """It breaks after its migration: users wait a little longer, and notice nothing else."""
    watched.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    watched.settle()
    assert watched.installed == watched.running == "v1.0.0"
    assert watched.scene.users.failed == []
    assert_no_row_lost(watched)


def test_a_bad_release_without_schema_change(watched: Instance) -> None:
    """It starts in the rehearsal and not beside, nor in the place of the old one."""
    watched.scene.publisher.publish("1.0.1", backend={"exits": "in production"})
    watched.settle()
    assert watched.installed == watched.running == "v1.0.0"
    assert watched.quarantined == {"v1.0.1"}
    assert watched.scene.users.failed == []


def test_without_a_rehearsal_a_release_that_fails_beside_is_found_there(folder: Path) -> None:
    """Users stay with the old version, and nothing was exchanged."""
    instance = Instance.new(folder, rehearsal={"when": "never"})
    instance.install()
    instance.scene.users.failed.clear()
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1", backend={"exits": "in production"})
    instance.settle()
    assert instance.quarantined == {"v1.0.1"}
    assert instance.ids == ids
    assert "switch" not in instance.watcher.began[instance.watcher.began.index("hold") :]
    assert instance.scene.users.failed == []
    assert instance.scene.users.longest == 0


@pytest.mark.parametrize("schema", [True, False])
def test_an_ingress_that_does_not_hand_its_routes_over(watched: Instance, *, schema: bool) -> None:
    """It is found out before anything is exchanged, and another way is taken."""
    watched.scene.rooms.route = False
    watched.scene.publisher.publish("1.1.0", schema=schema)
    watched.settle()
    assert watched.installed == watched.running == "v1.1.0"
    assert way(watched) == ("closed" if schema else "away")
    assert not watched.scene.machine.rooms
    watched.scene.publisher.publish("1.2.0", schema=schema)
    ahead = preview(watched.engine, None)
    assert ahead is not None
    assert ahead.hold.way == way(watched)
    assert ahead.hold.why.startswith("the ingress does not hand the route")


def test_an_ingress_that_kept_its_routes_is_not_asked_again_on_the_way_back(
    watched: Instance,
) -> None:
    """The failed release serves users then, and the question takes a quarter of a minute."""
    watched.scene.rooms.route = False
    watched.scene.publisher.publish("1.0.1", backend={"exits": "in production"})
    watched.settle()
    assert watched.installed == watched.running == "v1.0.0"
    assert "rooms.put_up_again before" not in watched.taps.names


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize("exits", ["", "in production"])
def test_what_is_told_of_users_is_what_they_met(
    watched: Instance, exits: str, *, schema: bool
) -> None:
    """Where no room can be had: the journal and the operator hear for how long they got errors."""
    watched.scene.rooms.route = False
    watched.scene.publisher.publish("1.1.0", schema=schema, backend={"exits": exits})
    watched.settle()
    failed, operation = watched.scene.users.failed, watched.journal.past(1)[0].operation
    seen = failed[-1] - failed[0]
    assert operation.met is not None
    assert seen - 1 <= operation.met.away <= seen + 2
    assert told(watched, "users were without it for ") == 1


def test_an_agent_killed_while_it_gives_routes_back_knows_how_long_users_waited(
    watched: Instance, memory: Callable[[], Path]
) -> None:
    """Rooms take with them what they have counted."""
    watched.scene.publisher.publish("1.1.0", schema=True)
    names = _settled(watched, memory(), Taps()).taps.names
    first = names.index("rooms.step_aside before")
    for number in range(first, names.index("rooms.forget_safe after", first) + 1):
        killed = _settled(watched, memory(), Taps({number: "killed"}))
        operation, users = killed.journal.past(1)[0].operation, killed.scene.users
        assert operation.met is not None
        assert operation.met.waited == pytest.approx(users.longest), names[number]
        assert (killed.deaths, users.longest > 0) == (1, True)


def _settled(instance: Instance, folder: Path, taps: Taps) -> Instance:
    """Another instance in the same state, in which that strikes, when it has come to rest."""
    other = instance.copy(folder, taps)
    instance.start()
    other.settle()
    return other


def test_an_image_of_the_room_that_cannot_be_had(folder: Path) -> None:
    """The update goes on without a room: nothing may depend on it."""
    instance = Instance.new(folder, hold={"image": "haproxy:none"})
    instance.scene.registry.published = {
        name: program
        for name, program in instance.scene.registry.published.items()
        if not name.startswith("haproxy")
    }
    instance.install()
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"
    assert way(instance) == "closed"
