"""The hold on KoproGo's own shape: real Traefik, real health checks, users who count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.preview import preview
from tests.instance import Instance, Seen
from tests.lab.client import Client, Tally
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind

pytestmark = pytest.mark.real

FEW = 6
"""Connections of the client: more would open more to the database than it grants."""


@pytest.fixture(scope="module")
def instance(lab_engine: Engine) -> Iterator[Instance]:
    """A stack that was brought up by hand, health checks every 30 s, and its agent."""
    with Lab(lab_engine) as lab:
        lab.install(lab.publisher.publish())
        gate = {"samples": 2, "interval": 0.5, "deadline": 90, "max_deadline": 120}
        yield Instance.create(lab, gate=gate, rehearsal={"timeout": 120})


def updated(instance: Instance, kind: Kind) -> tuple[Seen, Outcome | None, Tally]:
    """What became of a release, and what users saw meanwhile."""
    lab, seen = instance.lab, Seen()
    with Client(lab.stack, rate=40, writes=0.3, connections=FEW) as client:
        with instance.engine(seen) as engine:
            lab.publisher.publish(kind)
            planned = preview(engine, None)
            ran = engine.tick()
        assert ran is not None, seen.failures
        assert planned is not None
        assert planned.hold.way == seen.facts["hold"]["way"]
    assert not client.lost(lab.stack)
    assert not client.tally().repeated
    return seen, ran.outcome, client.tally()


def test_adopted_and_updated_beside(instance: Instance) -> None:
    """The first update after adoption: no request fails, and none waits."""
    seen, outcome, tally = updated(instance, Kind.GOOD)
    assert outcome is Outcome.COMMITTED
    assert seen.facts["hold"]["way"] == "beside"
    assert (tally.failed, seen.facts["release"]["waited"]) == (0, 0.0)
    assert_no_room_left(instance)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Kind.GOOD_WITH_MIGRATION, Outcome.COMMITTED),
        (Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION, Outcome.ROLLED_BACK),
    ],
)
def test_requests_wait(instance: Instance, kind: Kind, outcome: Outcome) -> None:
    """A schema change, and one that is taken back: none fails, and what is told is what was."""
    seen, ended, tally = updated(instance, kind)
    assert ended is outcome
    assert seen.facts["hold"]["way"] == "wait"
    assert tally.failed == 0
    told = seen.facts["release" if ended is Outcome.COMMITTED else "undo release"]["waited"]
    assert told == pytest.approx(tally.longest_wait, abs=max(1.0, told / 2))
    assert_no_room_left(instance)


def assert_no_room_left(instance: Instance) -> None:
    """Nothing that the hold has put up is there any more."""
    lab = instance.lab
    client = lab.engine.client()
    try:
        names = [one.name or "" for one in client.containers.list(all=True)]
    finally:
        client.close()
    assert not [name for name in names if name.endswith(("-room", "-beside"))]
