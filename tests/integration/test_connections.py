"""Somebody holds all connections of the database while an update is at work, on real parts.

KoproGo's role is a superuser: it takes those that PostgreSQL reserves as well.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.ports import NO_CONNECTION, DatabaseAt
from tests.hoarder import Hoarder
from tests.instance import Instance, Seen
from tests.lab.client import Client
from tests.lab.recipes import Kind
from tests.scenes import installed

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def test_before_the_hold_the_update_waits_and_says_for_whom(instance: Instance) -> None:
    """Nothing is stopped; the message names who holds the connections."""
    instance.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    with Hoarder(instance.lab.stack) as hoarder, instance.engine() as engine:
        ran = engine.tick()
        at = DatabaseAt(instance.settings.stack.project, "postgres")
        mine = [one for one in engine.world.database.sessions(at) if one.database == "postgres"]
        assert len(mine) == hoarder.held
        assert ran is not None
        cause = ran.operation.state.cause
        assert cause is not None
        assert (ran.outcome, cause.code) == (Outcome.POSTPONED, NO_CONNECTION)
        assert f"(postgres): {hoarder.held}" in cause.message
        assert not engine.memory.quarantined()


@pytest.mark.parametrize(
    ("leaves", "outcome"),
    [(2, Outcome.COMMITTED), (3, Outcome.COMMITTED), (5, Outcome.ROLLED_BACK)],
    ids=["in time", "late", "too late"],
)
def test_in_the_hold_it_waits_for_one(instance: Instance, leaves: int, outcome: Outcome) -> None:
    """They are taken as the writers give them back, before the point is made.

    They come free at the n-th action after that: within the tries of the step, or on the way back.
    """
    lab, seen = instance.lab, Seen()
    lean = instance.changed(rehearsal={"when": "never"})
    release = lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    with ExitStack() as exits, Client(lab.stack, rate=20, writes=0.3, connections=6) as client:
        hoarders: list[Hoarder] = []

        def meddle(boundary: str, action: str) -> None:
            if (boundary, action) == ("before", "point") and not hoarders:
                hoarders.append(exits.enter_context(Hoarder(lab.stack)))
            elif hoarders and boundary == "before":
                points = len(seen.actions) - seen.actions.index("point")
                if points == leaves:
                    hoarders[0].leave()

        seen.at = meddle
        with lean.engine(seen) as engine:
            ran = engine.tick()
            quarantined = engine.memory.quarantined()
    assert ran is not None
    assert {one.code for one in seen.failures} == {NO_CONNECTION}, seen.failures
    assert ran.outcome is outcome, seen.actions
    assert not quarantined
    assert (installed(instance) == release.tag) is (outcome is Outcome.COMMITTED)
    assert not client.lost(lab.stack)
    assert (client.tally().failed, client.tally().repeated) == (0, frozenset())
