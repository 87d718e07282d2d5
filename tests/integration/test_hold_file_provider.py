"""Traefik with its routes in a file: the labels are there, and lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import PATIENT_GATE, Instance, Seen
from tests.lab.client import Client
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.rooms import rooms
from tests.lab.stack import QUICK

pytestmark = pytest.mark.real

OVERRIDE = """
services:
  traefik:
    command:
      - "--providers.file.filename=/routes.yml"
      - "--entrypoints.web.address=:80"
    volumes: ["{folder}/routes.yml:/routes.yml:ro"]
"""
ROUTES = """
http:
  routers:
    api:
      rule: "Host(`{host}`)"
      service: api
  services:
    api:
      loadBalancer:
        servers: [{{url: "http://backend:8080"}}]
"""


@pytest.fixture
def instance(lab_engine: Engine) -> Iterator[Instance]:
    """An agent on such a stack, with its first release."""
    with Lab(lab_engine, settings=QUICK) as lab:
        lab.stack.write_env(lab.publisher.publish(Kind.GOOD).version)
        (lab.root / "routes.yml").write_text(ROUTES.format(host=lab.stack.api_domain))
        override = lab.root / "override.yml"
        override.write_text(OVERRIDE.format(folder=lab.root))
        instance = Instance.create(
            lab,
            stack={"overrides": [str(override)]},
            gate=PATIENT_GATE,
            rehearsal={"when": "never"},
        )
        with instance.engine() as engine:
            ran = engine.tick()
        assert ran is not None
        assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
        yield instance


def test_no_room_is_tried_and_plan_says_so(instance: Instance) -> None:
    """Users cannot connect while nobody may write; they are told so before, and lose nothing."""
    lab, seen = instance.lab, Seen()
    lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    planned = instance.type("plan")
    assert "users are kept out" in planned.stdout
    assert "traefik has its routes from elsewhere than labels" in planned.stdout
    with Client(lab.stack, rate=20, connections=6) as client, instance.engine(seen) as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert seen.facts["hold"]["way"] == "closed"
    assert not client.lost(lab.stack)
    assert lab.stack.serves()
    assert rooms(lab) == {}
