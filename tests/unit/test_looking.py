"""How the gate is sampled: soon while something is not healthy, in calm steps once it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from koprogo_agent.domain.gate import Container, Expectation, GatePolicy, Health
from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure, RetryLater, StepFailed
from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Gate
from koprogo_agent.update.looking import (
    Look,
    closed_gate_policy,
    gate_policy,
    wait_until_healthy,
)
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.world import World

POLICY = GatePolicy(samples=3, interval=2, settling=2, deadline=20, max_deadline=60, max_restarts=2)
LOOK = Look("shop", Expectation(frozenset({"web"})), database=DatabaseAt("shop", "db"))


@dataclass
class Scene:
    """A service that is healthy within these times, a clock, and what was asked."""

    healthy: tuple[tuple[float, float], ...]
    now: float = 0.0
    looks: list[float] = field(default_factory=list)
    marks: int = 0
    passes: float = 999.0
    down_from: float = 999.0
    examined: list[float] = field(default_factory=list)

    def world(self) -> World:
        """The world with this scene in it."""
        parts = SimpleNamespace(
            clock=SimpleNamespace(
                monotonic=lambda: self.now,
                wait=self._wait,
                now=lambda: datetime.fromtimestamp(self.now, UTC),
            ),
            stack=SimpleNamespace(
                containers=self._containers, examine=self._examine, logs=lambda *_: ""
            ),
            database=SimpleNamespace(progress_mark=self._mark),
        )
        return cast("World", parts)

    def _wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def _containers(self, _project: str) -> tuple[Container, ...]:
        self.looks.append(self.now)
        good = any(begin <= self.now < end for begin, end in self.healthy)
        health = Health.HEALTHY if good else Health.STARTING
        web = Container("web", "1", "web:1", "sha256:1", "running", health, 0, 0, {}, may_end=False)
        state = "exited" if self.now >= self.down_from else "running"
        return web, replace(web, service="db", id="2", state=state, health=Health.NONE)

    def _examine(self, _container: str) -> bool:
        self.examined.append(self.now)
        return self.now >= self.passes

    def _mark(self, _at: DatabaseAt) -> str:
        self.marks += 1
        return "still"


class Unwatched:
    """Nobody looks on."""

    def begins(self, action: Action, tag: str) -> None:
        """An action begins."""

    def goes_on(self, note: str, done: int, total: int) -> None:
        """It goes on."""

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """It ends."""

    def broke(self, action: Action, failure: Failure) -> None:
        """It fails."""


def seconds_of(world: World, look: Look, policy: GatePolicy) -> float:
    """The seconds that it took; they end with the last of the good samples that opened the gate."""
    opened = wait_until_healthy(world, look, policy, Unwatched())
    settled = (policy.samples - 1) * policy.settling
    assert (world.clock.now() - opened.since).total_seconds() == pytest.approx(settled)
    return opened.seconds


def test_the_first_good_sample_is_not_late() -> None:
    """Healthy after 1.1 s: seen at 1.25 s, not at 2 s; the pauses between samples are whole."""
    scene = Scene(((1.1, 99),))
    assert seconds_of(scene.world(), LOOK, POLICY) == pytest.approx(5.25)
    assert scene.looks[-3:] == pytest.approx([1.25, 3.25, 5.25])


def test_a_healthy_stack_is_looked_at_three_times() -> None:
    """Nothing is asked in between, and nothing of the database: there is nothing to excuse."""
    scene = Scene(((0, 99),))
    assert seconds_of(scene.world(), LOOK, POLICY) == 4
    assert (scene.looks, scene.marks) == ([0, 2, 4], 0)


def test_while_users_wait_it_settles_sooner() -> None:
    """Only the pauses between good samples are shorter; what is bad is judged as ever."""
    closed = replace(POLICY, settling=0.5)
    scene = Scene(((1.1, 99),))
    assert seconds_of(scene.world(), LOOK, closed) == pytest.approx(2.25)
    never = Scene(())
    with pytest.raises(StepFailed):
        wait_until_healthy(never.world(), LOOK, closed, Unwatched())
    assert never.marks == POLICY.deadline / POLICY.interval + 1


def test_the_policies_differ_in_how_they_settle() -> None:
    """Behind the fence the shorter of both pauses counts."""
    settings = Settings(gate=Gate(interval=2, closed_interval=0.5))
    assert gate_policy(settings).settling == 2
    assert closed_gate_policy(settings) == replace(gate_policy(settings), settling=0.5)
    hasty = Settings(gate=Gate(interval=0.2, closed_interval=0.5))
    assert closed_gate_policy(hasty).settling == 0.2


def test_what_flaps_begins_anew() -> None:
    """A good look that is not repeated counts for nothing."""
    scene = Scene(((0, 1), (2.5, 99)))
    assert seconds_of(scene.world(), LOOK, POLICY) == pytest.approx(6.5)


def test_what_never_becomes_healthy_fails_at_the_deadline() -> None:
    """The database is asked once an interval, however often the containers are looked at."""
    scene = Scene(())
    with pytest.raises(StepFailed, match="web is starting"):
        wait_until_healthy(scene.world(), LOOK, POLICY, Unwatched())
    assert scene.now == pytest.approx(POLICY.deadline)
    assert scene.marks == POLICY.deadline / POLICY.interval + 1


def test_a_healthcheck_that_has_not_come_yet_does_not_hold_it_up() -> None:
    """The engine comes to it after 30 s; run by the agent it passes after one."""
    scene = Scene(((30, 99),), passes=1.0)
    look = replace(LOOK, examined=frozenset({"web"}))
    assert seconds_of(scene.world(), look, POLICY) == pytest.approx(5.0)
    assert scene.marks == 1


def test_a_healthcheck_that_has_passed_counts_until_the_engine_comes_to_it() -> None:
    """As it does to the engine; users may be waiting for each one that is run again."""
    scene = Scene(((30, 99),), passes=1.0)
    look = replace(LOOK, examined=frozenset({"web"}))
    wait_until_healthy(scene.world(), look, POLICY, Unwatched())
    assert [at for at in scene.examined if at >= scene.passes] == [1.0]


def test_healthchecks_are_run_only_where_they_may_be() -> None:
    """A service that is not named is left to the engine."""
    scene = Scene(((10, 99),), passes=1.0)
    assert seconds_of(scene.world(), LOOK, POLICY) == pytest.approx(14.0)
    assert scene.examined == []


def test_healthchecks_are_run_only_when_nothing_else_is_wrong() -> None:
    """What has no container yet needs no other question."""
    scene = Scene((), passes=0.0)
    both = Expectation(frozenset({"web", "other"}))
    look = replace(LOOK, expected=both, examined=both.running)
    with pytest.raises(StepFailed, match="other has no container"):
        wait_until_healthy(scene.world(), look, POLICY, Unwatched())
    assert scene.examined == []


def test_what_the_release_leaves_alone_is_not_put_down_to_it() -> None:
    """The database has fallen, so nothing can be healthy: it is tried again, without blame."""
    scene = Scene((), down_from=3)
    both = replace(LOOK, expected=Expectation(frozenset({"web", "db"})))
    with pytest.raises(StepFailed):
        wait_until_healthy(scene.world(), both, POLICY, Unwatched())
    scene = Scene((), down_from=3)
    look = replace(both, unchanged=frozenset({"db"}))
    with pytest.raises(RetryLater, match="db is exited, which it leaves alone") as caught:
        wait_until_healthy(scene.world(), look, POLICY, Unwatched())
    assert caught.value.code == "gate.fallen"


def test_what_the_release_changes_is_put_down_to_it() -> None:
    """What it leaves alone stands; so it is the release."""
    scene = Scene(())
    look = replace(LOOK, unchanged=frozenset({"db"}))
    with pytest.raises(StepFailed, match="web is starting"):
        wait_until_healthy(scene.world(), look, POLICY, Unwatched())
