"""What the machine cannot give is no release's fault: ports, names, paused containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.domain.host import (
    NAME_TAKEN,
    NO_ADDRESSES,
    PAUSED,
    PORT_TAKEN,
    Holder,
    Port,
)
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import DISK_FULL, READ_ONLY, RetryLater
from koprogo_agent.update.preview import preview
from koprogo_agent.update.runner import Ran
from tests.simulation.checks import assert_ids_kept, assert_no_row_lost, assert_serves, is_held
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT

MAILER: Mapping[str, Any] = {
    "restart": "unless-stopped",
    "image": "storage:1",
    "container_name": "mailer",
    "ports": [{"target": 25, "published": "2525", "protocol": "tcp"}],
}
PORT = Port("", 2525)
STRANGER = Holder("mailer", "", "", "exited")


def tick(instance: Instance) -> Ran:
    """A tick in which an operation ends or pauses."""
    ran = instance.tick()
    assert ran is not None, instance.errors
    return ran


def codes(instance: Instance) -> set[str]:
    """The codes of what failed."""
    return {failure.code for _, failure in instance.watcher.failures}


def at(instance: Instance, name: str, act: Callable[[], None]) -> None:
    """Has something happen the first time that an effect is in its middle."""
    machine, left = instance.scene.machine, [act]
    before = machine.middle

    def middle(now: str) -> None:
        if now == name and left:
            left.pop()()
        before(now)

    machine.middle = middle


def assert_not_blamed(instance: Instance, ids: Mapping[str, str]) -> None:
    """Nothing was quarantined, and users have what they had."""
    assert instance.quarantined == set()
    assert not is_held(instance)
    assert_ids_kept(instance, ids)
    assert_serves(instance)
    assert_no_row_lost(instance)


@pytest.mark.parametrize("schema", [False, True])
def test_what_others_have_is_found_before_anything_is_held(
    watched: Instance, *, schema: bool
) -> None:
    """The release is installed once the port and the name are free, without a word from anybody."""
    instance, ids, machine = watched, watched.ids, watched.scene.machine
    instance.scene.publisher.more = {"mailer": MAILER}
    instance.scene.publisher.publish("1.1.0", schema=schema)
    machine.listening.append(PORT)
    machine.others.append(STRANGER)
    ran = tick(instance)
    assert ran.outcome is Outcome.CANCELLED
    assert codes(instance) == {PORT_TAKEN}
    (told,) = [failure for _, failure in instance.watcher.failures]
    assert "2525/tcp" in told.message
    assert "container name mailer" in told.message
    assert "hold" not in instance.watcher.began
    assert_not_blamed(instance, ids)
    machine.listening.clear()
    machine.others.clear()
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"
    assert instance.scene.users.failed == []


@pytest.mark.parametrize("schema", [False, True])
def test_a_paused_container_is_waited_for(watched: Instance, *, schema: bool) -> None:
    """It stays paused until a person lets it go on; then the release comes by itself."""
    instance, ids, machine = watched, watched.ids, watched.scene.machine
    machine.pause(PROJECT, "storage")
    instance.scene.publisher.publish("1.1.0", schema=schema)
    assert tick(instance).outcome is Outcome.POSTPONED
    assert codes(instance) == {PAUSED}
    assert "hold" not in instance.watcher.began
    instance.wait(3600)
    assert tick(instance).outcome is Outcome.POSTPONED
    storage = machine.one(PROJECT, "storage")
    assert storage is not None
    assert storage.state == "paused"
    assert_not_blamed(instance, ids)
    machine.pause(PROJECT, "storage")
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"


def test_a_plan_says_it(instance: Instance) -> None:
    """What keeps the machine from what runs, with what to type."""
    instance.scene.publisher.publish("1.1.0")
    instance.scene.machine.pause(PROJECT, "storage")
    found = preview(instance.engine, None)
    assert found is not None
    (refusal,) = [one for one in found.notes if "would not begin" in one]
    assert refusal.endswith("docker unpause koprogo-storage-1")


@pytest.mark.parametrize("code", [PORT_TAKEN, NAME_TAKEN])
def test_what_is_taken_at_the_last_moment_is_given_up(instance: Instance, code: str) -> None:
    """The rollback succeeds; the next try finds it before anything is held."""
    ids, machine = instance.ids, instance.scene.machine
    instance.scene.publisher.more = {"mailer": MAILER}
    instance.scene.publisher.publish("1.1.0", schema=True)
    if code == PORT_TAKEN:
        at(instance, "recreate: created", lambda: machine.listening.append(PORT))
    else:
        at(instance, "recreate: created", lambda: machine.others.append(STRANGER))
    assert tick(instance).outcome is Outcome.ROLLED_BACK
    assert codes(instance) == {code}
    assert_not_blamed(instance, ids)
    instance.watcher.began.clear()
    instance.wait(3600)
    assert tick(instance).outcome is Outcome.CANCELLED
    assert "hold" not in instance.watcher.began
    assert_not_blamed(instance, ids)


def test_what_is_paused_in_the_exchange_is_waited_for(instance: Instance) -> None:
    """The way back stops there, without HELD; it ends as soon as a person lets it go on."""
    ids, machine = instance.ids, instance.scene.machine
    instance.scene.publisher.publish("1.1.0", schema=True)
    at(instance, "recreate: created", lambda: machine.pause(PROJECT, "storage"))
    ran = tick(instance)
    assert ran.outcome is None
    assert ran.failure is not None
    assert ran.failure.code == PAUSED
    assert not is_held(instance)
    machine.pause(PROJECT, "storage")
    assert tick(instance).outcome is Outcome.ROLLED_BACK
    assert_not_blamed(instance, ids)
    instance.settle()
    assert instance.installed == "v1.1.0"


def test_what_is_paused_while_a_release_is_watched_takes_nothing_back(instance: Instance) -> None:
    """The stack is down, and is said to be; the release stays installed."""
    machine = instance.scene.machine
    instance.scene.publisher.publish("1.0.1")
    ran = instance.act(instance.engine.tick)
    assert ran is not None
    assert ran.watches
    machine.pause(PROJECT, "frontend")
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert instance.quarantined == set()
    assert instance.engine.standing.condition is not None
    assert instance.engine.standing.condition.is_down
    frontend = machine.one(PROJECT, "frontend")
    assert frontend is not None
    assert frontend.state == "paused"


@pytest.mark.parametrize("drift", ["repair", "heal"])
def test_what_is_paused_is_no_drift_to_put_right(folder: Path, drift: str) -> None:
    """Healing would end HELD: nothing starts what is paused."""
    instance = Instance.new(folder, policy={"drift": drift})
    instance.install()
    machine = instance.scene.machine
    for service in ("backend", "frontend"):
        machine.pause(PROJECT, service)
    ids = instance.ids
    instance.settle()
    assert not is_held(instance)
    assert instance.ids == ids
    assert {box.state for box in machine.of(PROJECT, ("backend", "frontend"))} == {"paused"}


@pytest.mark.parametrize("lacks", ["addresses", "disk"])
def test_what_the_engine_or_the_disk_lacks(watched: Instance, lacks: str) -> None:
    """A network that the release adds gets no addresses, or the disk is read-only."""
    instance, ids, machine = watched, watched.ids, watched.scene.machine
    instance.scene.publisher.networks = {"mail": {"name": "koprogo_mail"}}
    instance.scene.publisher.publish("1.1.0", schema=True)
    machine.lacks_addresses = lacks == "addresses"
    instance.scene.disk.read_only = lacks == "disk"
    ran = tick(instance)
    assert ran.outcome is (Outcome.POSTPONED if lacks == "addresses" else Outcome.CANCELLED)
    assert codes(instance) == {NO_ADDRESSES if lacks == "addresses" else READ_ONLY}
    assert "hold" not in instance.watcher.began
    assert_not_blamed(instance, ids)
    machine.lacks_addresses = instance.scene.disk.read_only = False
    instance.settle()
    assert instance.installed == instance.running == "v1.1.0"


def test_a_network_that_is_there_is_not_tried_out(folder: Path) -> None:
    """An engine without a free address can go on with the networks that it has."""
    watched = Instance.new(folder, rehearsal={"when": "never"})  # which has one of its own
    watched.install()
    machine = watched.scene.machine
    machine.networks["koprogo_mail"] = 1
    machine.lacks_addresses = True
    watched.scene.publisher.networks = {"mail": {"name": "koprogo_mail"}}
    watched.scene.publisher.publish("1.1.0")
    watched.settle()
    assert watched.installed == "v1.1.0"


def test_a_machine_that_is_at_fault_again_and_again_blames_no_release(instance: Instance) -> None:
    """Three rollbacks for what is transient are the release's fault; for a full disk, never."""
    machine = instance.scene.machine
    before = machine.middle

    def fill(now: str) -> None:
        if now == "recreate: created" and instance.watcher.began[-1] == "switch":
            raise RetryLater("the disk is full", code=DISK_FULL)
        before(now)

    instance.scene.publisher.publish("1.1.0", schema=True)
    machine.middle = fill
    for _ in range(4):
        assert tick(instance).outcome is Outcome.ROLLED_BACK
        instance.wait(2 * 3600)
    machine.middle = before
    assert instance.quarantined == set()
    instance.settle()
    assert instance.installed == "v1.1.0"
