"""Requests that waited, and what users send right after, under the release's own rate limit."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import Instance, Seen
from tests.lab.client import Client
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind

pytestmark = pytest.mark.real

RATE, CONNECTIONS, LIMIT, BURST = 40, 6, 80, 20
"""A hold of a second makes more requests due than the burst, as 287 a second do with
KoproGo's own limit: 500 a second and a burst of 1,000."""


@pytest.fixture(scope="module")
def instance(lab_engine: Engine) -> Iterator[Instance]:
    """A stack that was brought up by hand, and lets one client send little."""
    limits = {"RATE_LIMIT_AVG": str(LIMIT), "RATE_LIMIT_BURST": str(BURST)}
    with Lab(lab_engine, settings=limits) as lab:
        lab.install(lab.publisher.publish())
        gate = {"samples": 2, "interval": 0.5, "deadline": 90, "max_deadline": 120}
        yield Instance.create(lab, gate=gate, rehearsal={"when": "never"})


def test_what_waited_is_let_in_at_the_pace_of_the_rate_limit(instance: Instance) -> None:
    """No request is answered 429, though all that was due in the hold is sent at once."""
    lab, seen = instance.lab, Seen()
    with Client(lab.stack, RATE, writes=0.3, connections=CONNECTIONS) as client:
        with instance.engine(seen) as engine:
            lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
            ran = engine.tick()
        # What was due in the hold is sent, however soon the update has ended.
        time.sleep(1)
    assert ran is not None, seen.failures
    assert (ran.outcome, seen.facts["hold"]["way"]) == (Outcome.COMMITTED, "wait")
    tally = client.tally()
    due = [one for one in tally.samples if one.ended - one.started > 0.5]
    assert len(due) > BURST, "the hold was too short to show anything"
    assert [one.status for one in tally.samples if not one.ok] == []
