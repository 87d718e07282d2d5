"""The Docker engine goes away in the middle of an update, on an engine that nobody shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import RetryLater
from koprogo_agent.update.engine import Engine as Agent
from tests.instance import Instance, Seen
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.lab.rooms import rooms
from tests.lab.stack import QUICK
from tests.scenes import installed, writer

pytestmark = pytest.mark.real

STARTS = 5
"""Ticks within which the agent must have found its way."""


@pytest.fixture(scope="module")
def own_engine() -> Iterator[Engine]:
    """An engine that may be stopped and killed."""
    with Engine(own=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def lab(own_engine: Engine) -> Iterator[Lab]:
    """A lab on it."""
    with Lab(own_engine, settings=QUICK) as lab:
        yield lab


def restart(engine: Engine) -> None:
    """As an upgrade of its package does."""
    engine.restart()


def crash(engine: Engine) -> None:
    """As the kernel does when memory runs out; what ran stays down afterwards."""
    engine.kill()
    engine.start()


@pytest.mark.parametrize(
    ("fell", "instant"),
    [
        (restart, ("before", "backup")),
        (restart, ("before", "point")),
        (crash, ("before", "point")),
        (restart, ("after", "switch")),
        (crash, ("before", "switch")),
        (crash, ("before", "gate")),
    ],
)
def test_an_engine_that_falls_in_the_middle(
    instance: Instance, own_engine: Engine, fell: object, instant: tuple[str, str]
) -> None:
    """Old or new runs at last, healthy and with every row; nobody had to come."""
    assert callable(fell)
    lab = instance.lab
    lean = instance.changed(rehearsal={"when": "never"})
    was, database = installed(lean), lab.stack.containers()["postgres"]
    release = lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    fallen: list[str] = []

    def interfere(boundary: str, action: str) -> None:
        if (boundary, action) == instant and not fallen:
            fallen.append(action)
            fell(own_engine)

    with writer(lab.stack), lean.engine(Seen(at=interfere)) as engine:
        outcome = settle(engine)
        assert fallen
        if outcome is Outcome.POSTPONED:
            assert instant[1] == "backup"
        else:
            assert outcome in {Outcome.COMMITTED, Outcome.ROLLED_BACK}
        assert engine.standing.held is None
        assert engine.drift() == ()
    assert installed(lean) == (release.tag if outcome is Outcome.COMMITTED else was)
    assert lab.stack.containers()["postgres"] == database
    assert rooms(lab) == {}
    wait_until(lab.stack.serves, 30, "the stack to serve")


def settle(engine: Agent) -> Outcome | None:
    """Ticks as the daemon does, until an operation has ended."""
    for _ in range(STARTS):
        try:
            ran = engine.tick()
        except RetryLater:
            continue
        if ran is not None and ran.outcome is not None:
            return ran.outcome
    return None
