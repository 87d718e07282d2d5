"""A simulated instance behaves as a real one does; no server is asked here."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.errors import RetryLater
from koprogo_agent.fleet.simulation.agent import Agent
from koprogo_agent.fleet.simulation.crowd import Crowd
from koprogo_agent.fleet.simulation.fate import Fate, draw
from koprogo_agent.fleet.simulation.plan import Plan
from koprogo_agent.fleet.simulation.tally import Spread
from koprogo_agent.pace import EPOCH, phase_of
from koprogo_agent.wire.answer import Answer, Rejection
from koprogo_agent.wire.report import StateName

NOW = 1_795_000_000.0
AWAY = RetryLater("away", code="fleet.unreachable")
BUSY = Rejection(code="limit.instance", message="too much", after=600)


def plan(**members: Any) -> Plan:  # noqa: ANN401 - of a plan
    """A plan in which all goes well, unless it is said otherwise."""
    told: dict[str, Any] = {
        "instances": 60,
        "url": "http://127.0.0.1:8420",
        "minutes": 20,
        "before": "v1.0.0",
        "release": "v1.1.0",
        "at": 2.0,
    }
    return Plan(**(told | members))


class World:
    """A crowd whose reports are taken down, and answered when the test says so."""

    def __init__(self, **members: Any) -> None:  # noqa: ANN401 - of a plan
        """Minute 0."""
        self.told: list[Agent] = []
        self.crowd = Crowd(plan(**members), NOW, lambda agent, _: self.told.append(agent))
        self.crowd.begin(NOW)
        self.now = NOW

    def goes_on(self, until: float, *, answer: Answer | Rejection | RetryLater | None) -> None:
        """Lives until so many seconds after minute 0; each report gets this answer at once."""
        while self.crowd.agenda.next <= NOW + until:
            self.now = self.crowd.agenda.next
            for entry in self.crowd.agenda.due(self.now):
                self.crowd.happens(entry, self.now)
                self._answer(answer)
        self.now = NOW + until

    def _answer(self, answer: Answer | Rejection | RetryLater | None) -> None:
        for agent in self.told:
            agent.report()
            agent.outbox.is_busy = False
            numbers = tuple(one.number for one in agent.outbox.waiting)
            taken = Answer(acknowledged=numbers, interval=180)
            self.crowd.heard(agent, taken if answer is None else answer, self.now)
        self.told.clear()


def test_each_polls_at_its_own_phase() -> None:
    """The one that the daemon would have under this name, at every tick."""
    world = World(release=None)
    world.goes_on(539.5, answer=None)
    phases = Counter(int(phase_of(one.name, 180).total_seconds()) for one in world.crowd.agents)
    visits = Counter[int]()
    for second, count in world.crowd.source.visits.items():
        visits[(second - int(EPOCH.timestamp())) % 180] += count
    assert visits == Counter({phase: 3 * count for phase, count in phases.items()})


def test_a_release_is_installed_by_all_within_a_tick_and_an_update() -> None:
    """Whoever sees it asks the source once more, to fetch it."""
    world = World(update=10.0)
    world.goes_on(600, answer=None)
    moments = [one.installed_at for one in world.crowd.agents]
    assert all(one is not None and 125 <= one - NOW <= 120 + 180 + 20 for one in moments)
    assert all(one.known_at == one.installed_at for one in world.crowd.agents)
    assert world.crowd.installed == 60
    fetched = sum(world.crowd.source.visits.values())
    assert fetched >= 60 * 3 + 60


@pytest.mark.parametrize(
    ("fate", "state", "gate"),
    [
        (Fate.FAILS, StateName.ROLLED_BACK, "quarantine"),
        (Fate.HELD, StateName.HELD, "hold"),
        (Fate.PAUSED, StateName.PAUSED, "hold"),
        (Fate.WINDOW, StateName.CURRENT, "window"),
    ],
)
def test_what_stands_against_a_release(fate: Fate, state: StateName, gate: str) -> None:
    """As the agent has it in its reports."""
    world = World(failing=0.5, waiting=0.5, instances=200)
    world.goes_on(420, answer=None)
    mine = [one for one in world.crowd.agents if one.lot and one.lot.fate is fate]
    waits = [
        one for one in mine if one.lot and (fate is not Fate.WINDOW or one.lot.opens > world.now)
    ]
    assert waits
    for one in waits:
        assert (one.state, one.installed) == (state, "v1.0.0")
        assert one.pending
        assert (one.pending.tag, one.pending.gate) == ("v1.1.0", gate)
        assert one.report().pending == one.pending


def test_a_window_that_opens_lets_it_in() -> None:
    """At the first poll from then on."""
    world = World(waiting=1.0, instances=200, update=10.0)
    world.goes_on(1199, answer=None)
    for one in world.crowd.agents:
        assert one.lot
        if one.installed_at is not None:
            assert one.lot.fate is Fate.WINDOW
            assert one.installed_at >= one.lot.opens
    assert 0 < world.crowd.installed < 200


def test_news_do_not_press_a_server_that_is_not_well() -> None:
    """After a failure only time brings the next report, and longer and longer."""
    world = World()
    world.goes_on(600, answer=AWAY)
    for one in world.crowd.agents:
        assert one.outbox.pace.failures <= 8
        assert len(one.outbox.waiting) >= 3
        assert not one.outbox.is_known


def test_who_is_asked_to_wait_waits() -> None:
    """As long as the server says at least."""
    world = World(instances=1)
    world.goes_on(200, answer=BUSY)
    (agent,) = world.crowd.agents
    assert agent.outbox.pace.failures == 1
    assert agent.outbox.due - NOW >= 600


def test_a_hint_is_followed_once() -> None:
    """By a poll that is not of the tick; a source that shows nothing newer ends it."""
    world = World(instances=1, release=None)
    hint = Answer(acknowledged=(), interval=60, highest="v2.0.0")
    world.goes_on(719.5, answer=hint)
    assert sum(world.crowd.source.visits.values()) == 4 + 1


def test_who_is_silent_says_and_asks_nothing() -> None:
    """Until it is back, with a new run, and goes on where it was cut off."""
    world = World(silent=1.0, instances=200, at=0.5)
    runs = {one.name: one.outbox.run for one in world.crowd.agents}
    world.goes_on(1199, answer=None)
    gone = [one for one in world.crowd.agents if one.is_silent]
    back = [one for one in world.crowd.agents if one.outbox.run != runs[one.name]]
    assert gone
    assert back
    assert not {one.name for one in gone} & {one.name for one in back}
    assert {one.outbox.due for one in gone} == {math.inf}
    for one in gone:
        assert one.lot
        assert one.polled is None or one.polled <= one.lot.falls
    for one in back:
        assert one.lot
        assert one.polled is not None
        assert one.polled >= int(one.lot.rises)


@given(st.integers(0, 2**32))
def test_shares_are_what_was_asked_for(seed: int) -> None:
    """And nobody's lot depends on what others have."""
    few = plan(failing=0.1, waiting=0.1, silent=0.1)
    many = plan(failing=0.1, waiting=0.1, silent=0.6)
    one, other = draw(few, Random(seed), NOW), draw(many, Random(seed), NOW)
    assert (one.fate, one.takes, one.opens) == (other.fate, other.takes, other.opens)
    assert 22.5 <= one.takes <= 90
    assert one.rises > one.falls or one.falls == math.inf


def test_a_fleet_has_about_its_shares() -> None:
    """Of 5,000 that are drawn one after the other."""
    chance = Random(1)
    lots = [draw(plan(failing=0.2, waiting=0.1, silent=0.3), chance, NOW) for _ in range(5000)]
    fates = Counter(one.fate for one in lots)
    assert 800 < fates[Fate.FAILS] + fates[Fate.HELD] < 1200
    assert 400 < fates[Fate.WINDOW] + fates[Fate.PAUSED] < 600
    assert 1300 < sum(one.falls < math.inf for one in lots) < 1700


def test_who_does_not_have_it_counts() -> None:
    """A share of all is not one of those that are done."""
    assert Spread.of(range(1, 101), 100) == Spread(50, 90, 99, 100)
    assert Spread.of(range(1, 91), 100) == Spread(50, 90, None, None)
    assert Spread.of([], 1) == Spread(None, None, None, None)
    assert Spread.of([3.0], 1) == Spread(3.0, 3.0, 3.0, 3.0)
