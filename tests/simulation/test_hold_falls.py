"""What falls in a hold: the agent, a room, what stands beside; users notice as little."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.campaign import RESTART, Blow, Luck, Strike
from tests.simulation.checks import assert_no_row_lost, assert_sound
from tests.simulation.instance import TICK, Instance
from tests.simulation.people import Met, met

COMMAND = {"kind": "command", "command": ("backend", "migrate")}
"""Migrations that are run for themselves, before the new version starts."""


def test_a_room_that_falls_in_the_hold(watched: Instance) -> None:
    """It restarts and keeps its state; what may have been written meanwhile is never discarded."""
    fell: list[str] = []

    def meddle() -> None:
        room = watched.scene.machine.rooms.get("backend")
        if watched.watcher.began[-1:] == ["gate"] and room and not fell:
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
        if room is None or watched.watcher.began[-1:] != ["release"]:
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
    """It is back within three seconds, before the step ends."""
    machine, users = watched.scene.machine, watched.scene.users
    fell, down = list[float](), list[float]()

    def meddle() -> None:
        room = machine.rooms.get("backend")
        if watched.watcher.began[-1:] == [step] and room and not fell:
            fell.append(machine.clock.seconds)
            fall(watched)
        elif (
            fell
            and watched.watcher.began[-1] in {"switch", "gate"}
            and (room is None or not room.up)
        ):
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
        if watched.watcher.began[-1:] == ["point"] and not fell:
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
    """It is put up again before the migration ends."""
    instance = Instance.new(folder, migration=COMMAND)
    instance.scene.publisher.common = {"migrates_at_start": False}
    instance.install()
    instance.watcher.began.clear()
    machine, users = instance.scene.machine, instance.scene.users
    fell, back = list[float](), list[float]()

    def meddle() -> None:
        room = machine.rooms.get("backend")
        if instance.watcher.began[-1:] == ["migrate"] and not fell:
            fell.append(machine.clock.seconds)
            fall(instance)
        elif fell and instance.watcher.began[-1] == "migrate" and room and room.up:
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
        if watched.watcher.began[-1:] == ["hold"] and "gate" in watched.watcher.began:
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
    """Whatever made it: users must not wait for an operation that no agent continues."""
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
