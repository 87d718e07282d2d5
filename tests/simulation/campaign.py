"""Updates in a row on a machine of bad luck, chosen by a seed: what strikes, and when.

Each update is disturbed at instants of its hold: the agent is killed, the power fails, the engine
goes away, a waiting room falls. Users ask all along. The same seed gives the same course.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from koprogo_agent.errors import RetryLater
from tests.simulation.checks import assert_nothing_left, assert_sound, is_held
from tests.simulation.faults import Killed, Taps
from tests.simulation.instance import TICK, Instance
from tests.simulation.people import way_in

RESTART = 5.0
"""Seconds until systemd has started the agent again (`RestartSec=3s`, and its own start)."""
AWAY = 20.0
"""Seconds for which an engine that is started anew does not answer, at most."""
ROOM_BACK = 2.0
"""Seconds after which the engine starts a fallen room again."""
UP_AGAIN = 90.0
"""Seconds within which a stack that fell as a whole must serve again, besides its hold."""
_ENGINE = ("images", "stack", "rooms", "database")
"""The ports that reach the world through the engine."""


class Blow(StrEnum):
    """What strikes."""

    KILL = "the agent is killed"
    POWER = "the power fails"
    ENGINE = "the engine is restarted"
    CRASH = "the engine is killed"
    ROOM = "the waiting rooms fall"


@dataclass(frozen=True)
class Strike:
    """When something strikes: at the n-th instant of an action of the operation."""

    blow: Blow
    action: str
    instant: int


HELD = ("hold", "point", "switch", "gate", "release")
"""The actions of the hold, and the one that ends it."""
AFTER = ("commit", "soak", "tidy")
BACK = ("undo point", "undo switch", "undo gate", "undo release")

BAD: Mapping[str, Mapping[str, Any]] = {
    "exits at start": {"exits": "at start"},
    "exits after its migration": {"exits": "after migration"},
    "exits in production": {"exits": "in production"},
    "its migration fails": {"migration": "fails"},
    "its migration hangs": {"migration": "hangs"},
}


@dataclass(frozen=True)
class Draw:
    """One update: the release, how the hold can be done, and what strikes.

    Attributes:
        schema: whether the release brings a migration.
        bad: what is wrong with it; empty for a good one.
        free: the database's free connections, which decide whether a version fits beside.
        route: whether the ingress hands its routes over.
    """

    schema: bool
    bad: str
    free: int
    route: bool
    strikes: tuple[Strike, ...]


def draw(chance: random.Random) -> Draw:
    """Chooses an update."""
    blows = chance.choices(list(Blow), (55, 12, 12, 6, 15), k=chance.choice((0, 1, 1, 1, 2, 2, 3)))
    bad = chance.choice(list(BAD)) if chance.random() < 0.35 else ""
    back = BACK * 3 if bad else BACK
    strikes = (
        # What a killed engine has stopped outside an operation is left to a person.
        Strike(
            one, chance.choice(HELD * 2 + back + AFTER * (one is not Blow.CRASH)), _instant(chance)
        )
        for one in blows
    )
    schema = chance.random() < 0.55 or bad.startswith("its migration")
    free, route = chance.choice((10, 10, 1)), chance.random() < 0.85
    return Draw(schema, bad, free, route, tuple(strikes))


def _instant(chance: random.Random) -> int:
    """Early ones more often: many actions have but a few instants."""
    return int(chance.expovariate(1 / 8))


class Luck(Taps):
    """Strikes at instants of actions; keeps what struck, and when.

    Attributes:
        strikes_left: what has not struck yet.
        struck: what has, with the second in which it did.
    """

    def __init__(self) -> None:
        super().__init__()
        self.instance: Instance | None = None
        self.strikes_left: list[Strike] = []
        self.struck: list[tuple[Strike, float]] = []
        self._began, self._passed, self._away = 0, 0, 0.0

    def __call__(self, name: str) -> None:
        """An instant before, in or after an effect."""
        super().__call__(name)
        self._pass(name)

    def look(self, name: str) -> None:
        """A look at the world."""
        super().look(name)
        self._pass(name)

    def _pass(self, name: str) -> None:
        instance = self.instance
        if instance is None:
            return
        began = instance.watcher.began
        if len(began) != self._began:
            self._began, self._passed = len(began), 0
        self._passed += 1
        now = began[-1] if began else ""
        for strike in self.strikes_left:
            if strike.action == now and self._passed > strike.instant:
                self.strikes_left.remove(strike)
                self.struck.append((strike, instance.scene.clock.seconds))
                self._befall(instance, strike.blow)
                break
        if name.split(".", maxsplit=1)[0] in _ENGINE and instance.scene.clock.seconds < self._away:
            raise RetryLater("the engine does not answer", code="engine.unreachable")

    def _befall(self, instance: Instance, blow: Blow) -> None:
        machine, now = instance.scene.machine, instance.scene.clock.seconds
        match blow:
            case Blow.KILL | Blow.POWER:
                instance.power_cuts = blow is Blow.POWER
                self.dead = True
                raise Killed
            case Blow.ENGINE:
                machine.crash_of_power()
                self._away = now + AWAY
            case Blow.CRASH:
                machine.crash_of_engine()
                self._away = now + AWAY
            case Blow.ROOM:
                for room in machine.rooms.values():
                    room.fall(now + ROOM_BACK)


@dataclass
class Campaign:
    """A machine, and the updates that it goes through.

    Attributes:
        ways: how often each way of the hold was taken.
        blows: how often something struck, by what it was and in which action.
        outcomes: how the operations ended.
    """

    chance: random.Random
    instance: Instance
    luck: Luck
    number: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    @classmethod
    def begin(cls, seed: int, folder: Path) -> Campaign:
        """A machine that runs v1.0.0."""
        chance = random.Random(seed)
        rehearsal = chance.choice(("always", "always", "schema", "never"))
        drift = chance.choice(("repair", "repair", "heal"))
        made = Instance.new(
            folder,
            rehearsal={"when": rehearsal},
            policy={"drift": drift},
            soak={"duration": 30.0},
        )
        made.scene.publisher.routed = chance.random() < 0.8
        made.install()
        luck = Luck()
        campaign = cls(chance, made, luck)
        made.taps = luck
        made.restart()
        luck.instance = made
        return campaign

    def update(self) -> None:
        """One update; raises AssertionError where anything is not as it must be."""
        self.number += 1
        drawn, instance, scene = draw(self.chance), self.instance, self.instance.scene
        users, ids = scene.users, instance.ids
        scene.database.free, scene.rooms.route = drawn.free, drawn.route
        users.failed.clear()
        users.longest, users.away, deaths = 0.0, 0.0, instance.deaths
        self.luck.strikes_left, self.luck.struck = list(drawn.strikes), []
        self.luck.names.clear()
        instance.watcher.began.clear()
        scene.publisher.publish(
            f"1.{self.number}.0", schema=drawn.schema, backend=BAD.get(drawn.bad, {})
        )
        before = len(instance.journal.past(1000))
        try:
            self._settle()
            self._check(drawn, ids, instance.deaths - deaths, before)
        except AssertionError as error:
            told = [f"{one.blow} at {one.action}/{one.instant}" for one, _ in self.luck.struck]
            raise AssertionError(
                f"update {self.number}, {drawn}; struck: {told};"
                f" went through {instance.watcher.began}: {error}"
            ) from error

    def _settle(self) -> None:
        """As the daemon does it: at once after a start, else at its next tick."""
        instance = self.instance
        for _ in range(40):
            deaths, errors = instance.deaths, len(instance.errors)
            ran = instance.tick()
            if instance.deaths > deaths:
                instance.wait(RESTART)
                continue
            waits = {waits for _, waits, _ in instance.engine.standing.pending.reasons}
            calm = ran is None and len(instance.errors) == errors and "backoff" not in waits
            if calm and instance.journal.live() is None:
                return
            after = instance.engine.goes_on_after
            instance.wait(TICK if after is None else after)
        raise AssertionError(f"it never comes to rest: {instance.errors[-1:]}")

    def _check(self, drawn: Draw, ids: Mapping[str, str], deaths: int, before: int) -> None:
        instance = self.instance
        assert not is_held(instance), instance.engine.standing.held
        assert_sound(instance, ids)
        assert_nothing_left(instance)
        assert way_in(instance.scene.machine)
        past = instance.journal.past(20)
        ways = {
            str(facts["way"])
            for one in past[: max(0, len(instance.journal.past(1000)) - before)]
            for step, facts in one.operation.facts.items()
            if step == "hold"
        }
        self.ways.update(ways)
        self.outcomes[str(past[0].outcome)] += 1
        self.blows.update(f"{one.blow} at {one.action}" for one, _ in self.luck.struck)
        self._check_users(drawn, ways, deaths)

    def _check_users(self, drawn: Draw, ways: set[str], deaths: int) -> None:
        """Nobody waits longer than the limit and the restarts; who is turned away has a reason."""
        instance = self.instance
        users, settings = instance.scene.users, instance.settings
        fell = {one.blow for one, _ in self.luck.struck} & {Blow.POWER, Blow.ENGINE, Blow.CRASH}
        room = any(one.blow is Blow.ROOM for one, _ in self.luck.struck)
        # What no rehearsal has found is found in the hold, by a gate that waits for its deadline.
        gate = settings.gate.deadline if drawn.bad and settings.rehearsal.when != "always" else 0.0
        bound = settings.hold.limit + RESTART * deaths + gate
        again = (AWAY + UP_AGAIN) * len(fell)
        assert users.longest <= bound + again, f"a request waited {users.longest} s"
        if ways & {"closed", "away"} or fell:
            assert users.away <= bound + again, f"all were turned away for {users.away} s"
        elif room:
            assert users.away <= ROOM_BACK + 1, f"turned away for {users.away} s"
        else:
            assert not users.failed, f"turned away: {users.failed[:5]}"
