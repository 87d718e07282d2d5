"""The hold: no user is turned away, whatever is exchanged, and none waits for ever."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.update.preview import preview
from tests.simulation.campaign import RESTART, Blow, Luck, Strike
from tests.simulation.checks import assert_no_row_lost, assert_sound
from tests.simulation.instance import TICK, Instance
from tests.simulation.people import Met, met
from tests.simulation.telling import told

COMMAND = {"kind": "command", "command": ("backend", "migrate")}
"""Migrations that are run for themselves, before the new version starts."""


def began(instance: Instance) -> list[str]:
    """The actions that the operation went through."""
    return instance.watcher.began


def way(instance: Instance) -> str:
    """The way of the last hold."""
    fact = instance.journal.past(1)[0].operation.facts
    return str(next(facts for step, facts in fact.items() if step == "hold")["way"])


@pytest.fixture
def watched(instance: Instance) -> Instance:
    """An instance whose users count from now on."""
    instance.scene.users.failed.clear()
    instance.watcher.began.clear()
    return instance


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
    assert "switch" not in began(instance)[began(instance).index("hold") :]
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


def test_a_room_that_falls_in_the_hold(watched: Instance) -> None:
    """It restarts and keeps its state; what may have been written meanwhile is never discarded."""
    fell: list[str] = []

    def meddle() -> None:
        room = watched.scene.machine.rooms.get("backend")
        if began(watched)[-1:] == ["gate"] and room and not fell:
            room.restarts += 1
            fell.append(room.service)

    watched.scene.machine.busy = meddle
    watched.scene.publisher.publish("1.1.0", schema=True)
    watched.settle()
    assert fell
    assert watched.installed == watched.running == "v1.1.0"
    assert_no_row_lost(watched)


def test_what_stands_beside_answers_before_it_ends(watched: Instance) -> None:
    """A program that is asked to end closes what it has not read yet."""
    machine, write = watched.scene.machine, watched.scene.users.write
    opened: list[float] = []
    passing: list[int] = []

    def each() -> None:
        write()
        room, names = machine.rooms.get("backend"), watched.taps.names
        if room is None or began(watched)[-1:] != ["release"]:
            return
        opened.append(machine.clock.seconds)
        room.passing = int(machine.clock.seconds < opened[0] + 2)
        if names[-1:] == ["stack.end_beside before"]:
            passing.append(room.passing)

    watched.taps.each = machine.busy = each
    watched.scene.publisher.publish("1.0.1")
    watched.tick()
    assert watched.installed == "v1.0.1"
    assert passing
    assert not any(passing)


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize("done", ["created", "stopped", "removed"])
def test_an_agent_killed_while_compose_exchanges_a_container(
    watched: Instance, done: str, *, schema: bool
) -> None:
    """Between making the new one, stopping and removing the old one, and renaming."""
    watched.taps.named = {f"recreate: {done} in the middle": "killed"}
    watched.scene.publisher.publish("1.1.0", schema=schema)
    watched.tick()
    assert watched.deaths == 1
    watched.taps.named = {}
    watched.wait(RESTART)
    watched.settle()
    assert watched.installed == watched.running == "v1.1.0"
    assert watched.scene.users.failed == []
    assert watched.scene.users.longest < 25
    services = [box.service for box in watched.scene.machine.of("koprogo")]
    assert len(services) == len(set(services))
    assert_no_row_lost(watched)


def test_an_agent_killed_in_the_gate_of_what_fails_does_not_count_again(folder: Path) -> None:
    """The engine starts it ever more seldom: users would wait for that."""
    instance = Instance.new(folder, gate={"deadline": 120}, rehearsal={"when": "never"})
    instance.install()
    instance.taps = luck = Luck()
    instance.restart()
    luck.instance = instance
    luck.strikes_left = [Strike(Blow.KILL, "gate", 40)]
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    instance.scene.users.longest = 0.0
    instance.tick()
    assert instance.deaths == 1
    instance.wait(RESTART)
    instance.tick()
    assert instance.running == instance.installed == "v1.0.0"
    assert instance.scene.users.longest < 25


def end(instance: Instance) -> None:
    """The backend's room is killed, and the engine leaves it down."""
    instance.scene.machine.rooms["backend"].up = False


def take_away(instance: Instance) -> None:
    """The backend's room is removed."""
    instance.scene.machine.rooms.pop("backend")


@pytest.mark.parametrize("fall", [end, take_away])
@pytest.mark.parametrize("step", ["switch", "gate"])
@pytest.mark.parametrize("schema", [True, False])
def test_a_room_that_stays_down_is_put_up_again(
    watched: Instance, step: str, fall: Callable[[Instance], None], *, schema: bool
) -> None:
    """Within seconds, while the step goes on."""
    machine, users = watched.scene.machine, watched.scene.users
    fell, down = list[float](), list[float]()

    def meddle() -> None:
        room = machine.rooms.get("backend")
        if began(watched)[-1:] == [step] and room and not fell:
            fell.append(machine.clock.seconds)
            fall(watched)
        elif fell and began(watched)[-1] in {"switch", "gate"} and (room is None or not room.up):
            down.append(machine.clock.seconds)
        users.write()

    machine.busy = watched.taps.each = meddle
    backend = {"start_seconds": 10.0}
    watched.scene.publisher.publish("1.1.0", schema=schema, backend=backend)
    watched.settle()
    assert fell
    assert watched.installed == watched.running == "v1.1.0"
    assert max(down, default=fell[0]) - fell[0] <= 3
    assert_no_row_lost(watched)
    assert not machine.rooms


@pytest.mark.parametrize("fall", [end, take_away])
def test_a_room_that_falls_before_the_point(
    watched: Instance, fall: Callable[[Instance], None]
) -> None:
    """It is put up again before the data is copied; users wait, and nothing is given up."""
    fell: list[str] = []

    def meddle() -> None:
        if began(watched)[-1:] == ["point"] and not fell:
            fell.append("point")
            fall(watched)
        watched.scene.users.write()

    watched.taps.each = meddle
    watched.scene.publisher.publish("1.1.0", schema=True)
    watched.settle()
    assert fell
    assert watched.installed == watched.running == "v1.1.0"
    assert not watched.watcher.failures
    assert_no_row_lost(watched)


@pytest.mark.parametrize("fall", [end, take_away])
def test_a_room_that_falls_while_a_command_migrates(
    folder: Path, fall: Callable[[Instance], None]
) -> None:
    """It is put up again while the migration goes on."""
    instance = Instance.new(folder, migration=COMMAND)
    instance.scene.publisher.common = {"migrates_at_start": False}
    instance.install()
    instance.watcher.began.clear()
    machine, users = instance.scene.machine, instance.scene.users
    fell, back = list[float](), list[float]()

    def meddle() -> None:
        room = machine.rooms.get("backend")
        if began(instance)[-1:] == ["migrate"] and not fell:
            fell.append(machine.clock.seconds)
            fall(instance)
        elif fell and began(instance)[-1] == "migrate" and room and room.up:
            assert room.closed
            back.append(machine.clock.seconds)
        users.write()

    machine.busy = instance.taps.each = meddle
    backend = {"migration_seconds": 10.0}
    instance.scene.publisher.publish("1.1.0", schema=True, backend=backend)
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"
    assert back
    assert back[0] - fell[0] <= 3
    assert_no_row_lost(instance)


def test_a_room_that_is_gone_on_the_way_back_lets_nobody_in(watched: Instance) -> None:
    """What runs then has failed its gate, and what is written to it may be discarded."""
    machine, users = watched.scene.machine, watched.scene.users
    gone, opened = list[str](), list[str]()

    def meddle() -> None:
        room = machine.rooms.get("backend")
        if began(watched)[-1:] == ["hold"] and "gate" in began(watched):
            if not gone:
                gone.append(machine.rooms.pop("backend").service)
            elif room and not room.closed:
                opened.append(room.service)
        users.write()

    watched.taps.each = meddle
    backend = {"exits": "in production"}
    watched.scene.publisher.publish("1.1.0", schema=True, backend=backend)
    watched.settle()
    assert gone
    assert watched.installed == watched.running == "v1.0.0"
    assert not opened
    assert_no_row_lost(watched)


def test_a_stray_room_of_what_was_stopped(instance: Instance) -> None:
    """Its service is started first: a room opens only to what runs."""
    instance.scene.images.pull(instance.settings.hold.image, lambda _: None)
    box = instance.scene.machine.one("koprogo", "frontend")
    assert box is not None
    instance.scene.machine.stop(box)
    instance.scene.rooms.put_up("koprogo", "frontend", box.id, 45)
    assert instance.scene.machine.rooms["frontend"].closed
    instance.tick()
    assert box.state == "running"
    assert not instance.scene.machine.rooms


def test_a_lost_journal_does_not_leave_users_waiting(instance: Instance) -> None:
    """Whatever else is lost: the next start ends a hold before anything else."""
    instance.taps.named = {"database.make_point before": "killed"}
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.tick()
    instance.taps.named = {}
    assert met(instance.scene.machine) is Met.HELD
    instance.journal.close()
    (instance.folder / "state.db").write_bytes(b"noise" * 1000)
    instance.start()
    instance.tick()
    assert met(instance.scene.machine) is Met.SERVED
    assert not instance.scene.machine.rooms


def test_a_room_that_belongs_to_no_operation_is_removed(instance: Instance) -> None:
    """However it came there: users must not wait for an operation that nobody goes on with."""
    backend = instance.ids["backend"]
    instance.scene.images.pull(instance.settings.hold.image, lambda _: None)
    instance.scene.rooms.put_up("koprogo", "backend", backend, 45)
    instance.scene.rooms.close("koprogo", "backend")
    assert met(instance.scene.machine) is Met.HELD
    instance.tick()
    assert met(instance.scene.machine) is Met.SERVED
    assert not instance.scene.machine.rooms


@pytest.mark.parametrize("seed", range(4))
def test_nobody_waits_longer_than_the_hold_and_a_restart(instance: Instance, seed: int) -> None:
    """Updates in a row, good and bad, the agent killed at random instants of the hold."""
    chance = random.Random(seed)
    machine, ids = instance.scene.machine, instance.ids
    users: Any = instance.scene.users
    for number in range(25):
        taps = instance.taps
        taps.names.clear()
        taps.strikes = {chance.randrange(20, 140): "killed" for _ in range(chance.randrange(3))}
        users.longest = 0.0
        bad = {"exits": "in production"} if chance.random() < 0.3 else {}
        schema = chance.random() < 0.5
        instance.scene.publisher.publish(f"1.{number + 1}.0", schema=schema, backend=bad)
        instance.settle()
        assert_sound(instance, ids)
        assert not machine.rooms
        assert users.longest < 60 + TICK * len(taps.strikes), number
