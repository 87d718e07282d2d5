"""Health for ever, on real parts: what is down is said, told once, and repaired where it can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from koprogo_agent.domain.condition import Condition
from koprogo_agent.update.engine import Engine
from tests.instance import Instance
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.scenes import bring, installed, lives

pytestmark = pytest.mark.real

LEAN: Mapping[str, Mapping[str, Any]] = {
    "gate": {"samples": 2, "interval": 0.5, "deadline": 60, "max_deadline": 120},
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
}


@pytest.fixture(scope="module")
def lean(instance: Instance) -> Instance:
    """It leaves out what others prove, and only reports what differs."""
    return instance.changed(policy={"drift": "report"}, **LEAN)


@pytest.fixture(scope="module")
def repairing(instance: Instance) -> Instance:
    """The same instance with the default of `policy.drift`."""
    return instance.changed(**LEAN)


def ticked(engine: Engine) -> Condition:
    """The condition after a tick."""
    engine.tick()
    found = engine.standing.condition
    assert found is not None
    return found


def first_line(instance: Instance) -> str:
    """What counts most, as an operator sees it."""
    return instance.type("status").stdout.split("\n")[0]


def events(engine: Engine) -> list[str]:
    """Names of what has happened to the stack's health."""
    return [one.name for one in engine.journal.events(100) if one.name.startswith("stack.")]


def test_a_stopped_backend_is_down_until_it_answers_again(lean: Instance) -> None:
    """First line, JSON, journal; and up again by itself once somebody has started it."""
    name = f"{lean.lab.name}-backend"
    client = lean.lab.engine.client()
    with lean.engine() as engine:
        # Traefik may have come to the containers a moment ago only.
        wait_until(lambda: not ticked(engine).is_down, 60, "the stack to be up")
        was = events(engine)
        client.containers.get(name).stop(timeout=5)
        down = ticked(engine)
        assert down.is_down
        assert down.reason.startswith("backend is exited (exit code ")
        assert first_line(lean).startswith(f"KoproGo {installed(lean)}  DOWN since ")
        document = json.loads(lean.type("status", "--json").stdout)
        assert document["condition"]["code"] == "container.stopped"
        client.containers.get(name).start()
        wait_until(lambda: not ticked(engine).is_down, 60, "the stack to be up")
        for event in ("stack.down", "stack.up"):
            assert events(engine).count(event) == was.count(event) + 1
    assert "DOWN" not in first_line(lean)
    client.close()


def test_an_ingress_that_is_gone_is_down(lean: Instance) -> None:
    """Every other container is healthy, and the backend answers inside."""
    ingress = lean.settings.stack.ingress[0]
    client = lean.lab.engine.client()
    with lean.engine() as engine:
        client.containers.get(f"{lean.lab.name}-{ingress}").stop(timeout=5)
        assert ticked(engine).service == ingress
        client.containers.get(f"{lean.lab.name}-{ingress}").start()
        wait_until(lambda: not ticked(engine).is_down, 60, "the stack to be up")
    client.close()


def test_an_older_version_by_hand_on_the_newer_schema(lean: Instance, repairing: Instance) -> None:
    """Said for what it is within a tick, and healed by default; the database is left alone."""
    was = installed(lean)
    assert was is not None
    release, _ = bring(lean, Kind.GOOD_WITH_MIGRATION)
    before = lives(lean.lab.stack)
    by_hand = {"IMAGE_TAG": was.removeprefix("v")}
    lean.lab.stack.compose(lean.tree, "up", "-d", "--no-deps", "backend", env=by_hand)
    with lean.engine() as engine:
        wait_until(lambda: ticked(engine).is_down, 60, "the old version to fail")
        drift = engine.standing.drift
        assert drift is not None
        assert (drift.older, drift.newer_schema) == (was, True)
    line = first_line(lean)
    assert f"started by hand with an older version ({was}) on the newer schema: backend" in line
    with repairing.engine() as engine:
        ran = engine.tick()
        assert ran is not None
        assert (ran.operation.kind, ran.outcome) == ("heal", "committed")
        assert engine.drift() == ()
        found = engine.standing.condition
        assert found is not None
        assert not found.is_down
    assert installed(repairing) == release.tag
    after = lives(lean.lab.stack)
    assert after["postgres"] == before["postgres"]
