"""What `plan` says of users before an update, beside what they met in it: each way, real parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import Instance, Seen
from tests.lab.client import Client, Tally
from tests.lab.engine import Engine
from tests.lab.ingress import Ingress
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.stack import QUICK

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SAID = {
    "beside": "no request waits: the new version serves beside the old one first",
    "wait": "after 45 s people get a page that reloads by itself",
    "closed": "users are kept out during the steps in yellow",
    "away": "what is exchanged is away while it starts",
}


@pytest.fixture(scope="module", params=[Ingress.TRAEFIK, Ingress.HAPROXY])
def instance(request: pytest.FixtureRequest, lab_engine: Engine) -> Iterator[Instance]:
    """An adopted stack; HAProxy's routes cannot be moved."""
    with Lab(lab_engine, settings=QUICK, ingress=request.param) as lab:
        lab.install(lab.publisher.publish())
        gate = {"samples": 2, "interval": 0.5, "deadline": 90, "max_deadline": 120}
        made = Instance.create(lab, gate=gate, rehearsal={"timeout": 120})
        with made.engine() as engine:
            engine.tick()
        yield made


def planned(instance: Instance, kind: Kind) -> tuple[str, dict[str, Any]]:
    """What people read of a release that is published now, and the same for programs."""
    instance.lab.publisher.publish(kind)
    found: dict[str, Any] = json.loads(instance.type("plan", "--json").stdout)
    return " ".join(instance.type("plan").stdout.split()), found


def updated(instance: Instance) -> tuple[Seen, Tally]:
    """What was done, and what users met."""
    seen, lab = Seen(), instance.lab
    client = Client(lab.stack, rate=20, writes=0.3, connections=6)
    with client, instance.engine(seen) as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED, seen.failures
    return seen, client.tally()


@pytest.mark.parametrize("kind", [Kind.GOOD, Kind.GOOD_WITH_MIGRATION])
def test_what_is_said_is_what_is_met(instance: Instance, kind: Kind) -> None:
    """The way, its reason and, the next time, how long users really waited."""
    schema = kind is Kind.GOOD_WITH_MIGRATION
    routed = instance.lab.stack.ingress is Ingress.TRAEFIK
    way = ("wait" if routed else "closed") if schema else ("beside" if routed else "away")
    text, found = planned(instance, kind)
    assert SAID[found["users"]] in text
    assert found["users_why"] in text
    untried = any("was not tried here yet" in note for note in found["notes"])
    assert untried is not schema, "the first update of each stack finds it out"

    seen, tally = updated(instance)
    held, met = seen.facts["hold"], seen.facts["release"]
    assert held["way"] == way
    assert untried or (found["users"], found["users_why"]) == (way, held["why"])
    if routed:
        assert tally.failed == 0
        assert met["waited"] == pytest.approx(tally.longest_wait if schema else 0, abs=1.5)

    text, again = planned(instance, kind)
    assert (again["users"], again["users_why"]) == (way, held["why"])
    assert SAID[way] in text
    assert again["before"]["seconds"] == met["waited"] + met["away"]
    assert "the last time so" in text
    assert again["expected_seconds"] is not None
    updated(instance)
