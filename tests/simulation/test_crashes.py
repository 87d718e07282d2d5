"""Every fault at every instant of every kind of operation: each run ends well, with every row.

One run without faults counts the instants before, in and after all effects, the journal's writes
among them. Then each instant is struck once by each kind of fault, and the agent goes on: by its
next tick after an error, by a new process after its death, on a rebooted machine after a power cut.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree

import pytest

from koprogo_agent.update.runner import Ran
from tests.simulation.checks import assert_rules_kept, assert_sound, is_held
from tests.simulation.faults import KINDS, Taps
from tests.simulation.instance import TICK, Instance
from tests.simulation.people import PROJECT, way_in
from tests.simulation.rooms import end_hold


@dataclass(frozen=True)
class Operation:
    """An operation of the agent.

    Attributes:
        begins: what makes the agent begin it, or goes before.
        asks: what an operator asks then.
        ends: what may run afterwards; None: nothing.
        undisturbed: what runs afterwards when no fault strikes.
        on_nothing: whether it begins on an empty machine.
        restart: the restart policy of the stack's services.
        drift: what the operator wants done about drift.
        routed: whether the ingress routes by labels, so that a waiting room can take its routes.
        beside: whether the database has connections for a version beside the old one.
        network: whether the compose files define a network.
        fails: whether users are turned away even when no fault strikes.
    """

    begins: Callable[[Instance], object]
    ends: frozenset[str | None]
    undisturbed: str
    on_nothing: bool = False
    restart: str = "unless-stopped"
    asks: Callable[[Instance], Ran | None] | None = None
    drift: str = "report"
    routed: bool = True
    beside: bool = True
    network: bool = False
    fails: bool = False


def _update(instance: Instance) -> None:
    instance.scene.publisher.publish("1.0.1")


def _update_schema(instance: Instance) -> None:
    instance.scene.publisher.publish("1.1.0", schema=True)


def _fail(instance: Instance) -> None:
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})


def _update_network(instance: Instance) -> None:
    instance.scene.publisher.networks = {"default": {"internal": True}}
    _update(instance)


def _fail_network(instance: Instance) -> None:
    instance.scene.publisher.networks = {"default": {"internal": True}}
    _fail(instance)


def _install(instance: Instance) -> None:
    instance.scene.publisher.publish("1.0.0")


def _update_before(instance: Instance) -> None:
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()


def _restore(instance: Instance) -> Ran | None:
    return instance.requests.restore(instance.scene.disk.backups()[0].path.name)


def _drift(instance: Instance) -> None:
    box = instance.scene.machine.one(PROJECT, "frontend")
    assert box is not None
    instance.scene.machine.stop(box)


_BOTH = frozenset({"v1.0.0", "v1.1.0"})
OPERATIONS = {
    "update": Operation(_update, frozenset({"v1.0.0", "v1.0.1"}), "v1.0.1"),
    "update, waiting": Operation(_update, frozenset({"v1.0.0", "v1.0.1"}), "v1.0.1", beside=False),
    "update, fixed routes": Operation(
        _update, frozenset({"v1.0.0", "v1.0.1"}), "v1.0.1", routed=False, fails=True
    ),
    "schema": Operation(_update_schema, _BOTH, "v1.1.0"),
    "schema, fixed routes": Operation(_update_schema, _BOTH, "v1.1.0", routed=False, fails=True),
    "schema, restart always": Operation(_update_schema, _BOTH, "v1.1.0", restart="always"),
    "rolled back": Operation(_fail, frozenset({"v1.0.0"}), "v1.0.0"),
    "rolled back, fixed routes": Operation(
        _fail, frozenset({"v1.0.0"}), "v1.0.0", routed=False, fails=True
    ),
    "rolled back, restart always": Operation(
        _fail, frozenset({"v1.0.0", "v1.1.0"}), "v1.0.0", restart="always"
    ),
    "network": Operation(
        _update_network, frozenset({"v1.0.0", "v1.0.1"}), "v1.0.1", network=True, fails=True
    ),
    "network, rolled back": Operation(
        _fail_network, frozenset({"v1.0.0"}), "v1.0.0", network=True, fails=True
    ),
    "rollback by hand": Operation(
        _update, frozenset({"v1.0.0", "v1.0.1"}), "v1.0.0", asks=lambda one: one.requests.rollback()
    ),
    "restore by hand": Operation(_update_before, _BOTH, "v1.0.0", asks=_restore),
    "heal": Operation(_drift, frozenset({"v1.0.0"}), "v1.0.0", drift="heal"),
    "install": Operation(
        _install, frozenset({"v1.0.0", None}), "v1.0.0", on_nothing=True, fails=True
    ),
}


_AFTERWARDS = 20
"""Instants after the last note of a hold within which it has ended."""


@dataclass(frozen=True)
class End:
    """How a run ended: what serves then, and whether the agent waits for a person."""

    running: str | None
    held: bool


@dataclass
class Prepared:
    """An operation that is about to begin, to be copied and struck."""

    operation: Operation
    instance: Instance
    ids: dict[str, str]
    names: tuple[str, ...] = ()
    looks: int = 0

    def instants(self, kind: str) -> list[int]:
        """The instants at which a kind of fault can strike.

        Death after an effect is death before the next one. A journal fails only for want of disk.
        """
        deadly, everywhere = kind == "killed", kind == "operator"
        return [
            number
            for number, name in enumerate(self.names)
            if not (deadly and name.endswith(" after"))
            if deadly or everywhere or not name.startswith("journal.")
        ]

    def run(
        self,
        taps: Taps,
        *,
        power_cuts: bool = False,
        undisturbed: bool = False,
        while_away: Callable[[Instance], None] | None = None,
    ) -> End:
        """Runs a copy to its rest, and checks that it ended well.

        Undisturbed, no user is turned away either, where the ingress can hand its routes over.
        """
        folder = self.instance.folder / "copy"
        copy = self.instance.copy(folder, taps)
        copy.power_cuts = power_cuts
        if while_away is not None:
            copy.while_away = partial(while_away, copy)
        asks = self.operation.asks
        try:
            if asks is not None:
                copy.act(lambda: asks(copy))
                copy.wait(TICK)
            copy.settle()
            self._check(copy)
            if undisturbed and not self.operation.fails:
                assert not copy.scene.users.failed
            return End(copy.running, is_held(copy))
        except AssertionError as error:
            struck = {
                number: taps.names[number] for number in taps.strikes if number < len(taps.names)
            }
            raise AssertionError(f"{struck} {taps.strikes} {taps.looks}: {error}") from error
        finally:
            copy.journal.close()
            rmtree(folder)

    def _check(self, end: Instance) -> None:
        if self.operation.asks is _restore and end.installed == self.operation.undisturbed:
            end.scene.users.acknowledged.clear()  # the operator let them go
        if not is_held(end):
            assert end.installed in self.operation.ends
        if end.installed is None:
            assert not end.scene.machine.boxes
            assert_rules_kept(end)
        else:
            assert_sound(end, self.ids or end.ids)


@pytest.fixture(scope="module", params=OPERATIONS)
def prepared(request: pytest.FixtureRequest, memory: Callable[[], Path]) -> Iterator[Prepared]:
    """Each kind of operation, counted without faults."""
    operation = OPERATIONS[request.param]
    instance = Instance.new(memory(), soak={"duration": 30.0}, policy={"drift": operation.drift})
    instance.scene.publisher.restart = operation.restart
    instance.scene.publisher.routed = operation.routed
    instance.scene.publisher.networks = {"default": {}} if operation.network else {}
    instance.scene.database.free = 10 if operation.beside else 1
    if not operation.on_nothing:
        instance.install()
    operation.begins(instance)
    if operation.asks is not None:
        instance.settle()
    instance.scene.users.failed.clear()
    ready = Prepared(operation, instance, instance.ids)
    taps = Taps()
    assert ready.run(taps, undisturbed=True) == End(operation.undisturbed, held=False)
    ready.names, ready.looks = tuple(taps.names), taps.looked
    yield ready
    instance.journal.close()


@pytest.mark.parametrize("kind", [*KINDS, "power cut"])
def test_one_fault(prepared: Prepared, kind: str) -> None:
    """One fault, at every instant at which it can strike."""
    fault = "killed" if kind == "power cut" else kind
    operation = prepared.operation
    if operation.restart == "always" and kind != "power cut":
        return  # how containers come back matters to nothing else
    if operation.asks is not None and kind in {"retry", "failed"}:
        return  # the steps are those of other operations
    for instant in prepared.instants(fault):
        end = prepared.run(Taps({instant: fault}), power_cuts=kind == "power cut")
        if fault in {"retry", "killed"} and not (operation.asks or operation.restart == "always"):
            # What is transient changes nothing about the end.
            assert end == End(prepared.operation.undisturbed, held=False), instant


@pytest.mark.parametrize("whole", [True, False], ids=["the whole hold", "its rooms not yet"])
@pytest.mark.parametrize("power_cuts", [False, True], ids=["killed", "power cut"])
def test_the_hold_is_ended_while_the_agent_is_away(
    prepared: Prepared, *, whole: bool, power_cuts: bool
) -> None:
    """Users are let in, and write, only to what may stay; the agent then finds its way."""
    if prepared.operation.on_nothing:
        return  # it holds nobody back
    led_to: set[str] = set()

    def ends(copy: Instance) -> None:
        versions = end_hold(copy.scene.machine, whole=whole)
        assert versions <= prepared.operation.ends
        assert way_in(copy.scene.machine) or not versions
        led_to.update(versions)

    noted = [number for number, name in enumerate(prepared.names) if ".note_safe" in name]
    for instant in prepared.instants("killed"):
        if noted[0] <= instant <= noted[-1] + _AFTERWARDS:
            prepared.run(Taps({instant: "killed"}), power_cuts=power_cuts, while_away=ends)
    assert led_to


def test_engine_away_at_a_look(prepared: Prepared) -> None:
    """What only looks at the world fails as well, while the engine or the network is away."""
    for look in range(0, prepared.looks, 10):
        assert not prepared.run(Taps(looks={look: "retry"})).held


def test_two_faults(prepared: Prepared) -> None:
    """Death, and a second fault while the next process puts right what the first left."""
    chance = random.Random(20260105)
    for _ in range(25):
        first = chance.choice(prepared.instants("killed"))
        second = first + chance.randrange(1, 30)
        strikes = {first: "killed", second: chance.choice(list(KINDS))}
        prepared.run(Taps(strikes), power_cuts=chance.random() < 0.3)


def test_engine_away_for_long(prepared: Prepared) -> None:
    """An engine that is away for many tries pauses the operation; it never asks for a person."""
    for instant in prepared.instants("retry")[::8]:
        away = range(instant, instant + 14)
        assert not prepared.run(Taps(dict.fromkeys(away, "retry"))).held
