"""An ingress that knows its upstreams from a file: no room can be had, and that is said."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import Instance, Seen
from tests.lab.client import Client
from tests.lab.ingress import Ingress
from tests.lab.recipes import Kind

pytestmark = pytest.mark.real

FEW = 6
"""Connections of the client: more would open more to the database than it grants."""


@pytest.fixture(scope="module")
def ingress() -> Ingress:
    """Its routes are those that were written down."""
    return Ingress.NGINX


@pytest.mark.parametrize(
    ("kind", "outcome", "way"),
    [
        (Kind.GOOD, Outcome.COMMITTED, "away"),
        (Kind.GOOD_WITH_MIGRATION, Outcome.COMMITTED, "closed"),
        (Kind.BROKEN_IN_PRODUCTION, Outcome.ROLLED_BACK, "away"),
        (Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, Outcome.ROLLED_BACK, "closed"),
    ],
)
def test_what_is_told_is_what_users_met(
    instance: Instance, kind: Kind, outcome: Outcome, way: str
) -> None:
    """For how long they got errors: the agent says no less, and little more."""
    lab, seen = instance.lab, Seen()
    with Client(lab.stack, rate=40, writes=0.3, connections=FEW) as client:
        with instance.engine(seen) as engine:
            lab.publisher.publish(kind)
            ran = engine.tick()
        assert ran is not None, seen.failures
    assert ran.outcome is outcome
    assert not client.lost(lab.stack)
    assert seen.facts["hold"]["way"] == way
    failed = [one for one in client.tally().samples if not one.ok]
    told, met = ran.operation.met, failed[-1].ended - failed[0].started
    assert told is not None
    assert met - 1 <= told.away <= met + 4
