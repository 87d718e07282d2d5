"""A hold that outlives its agent is ended without it: `systemd/end-hold` on real parts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from koprogo_agent.adapters.lock import agent_lock
from koprogo_agent.domain.states import Outcome
from tests.instance import Instance, Seen
from tests.lab.client import Client
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.lab.rooms import crash_room, end_room, leave_room_unfinished

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parents[2] / "systemd/end-hold"
FEW = 6


class Killed(BaseException):
    """The agent ends here; nothing of it runs any more."""


@pytest.fixture(scope="module")
def instance(lab_engine: Engine) -> Iterator[Instance]:
    """An adopted stack behind Traefik, as in production."""
    with Lab(lab_engine) as lab:
        lab.install(lab.publisher.publish())
        gate = {"samples": 2, "interval": 0.5, "deadline": 90, "max_deadline": 120}
        made = Instance.create(lab, gate=gate, rehearsal={"timeout": 120}, hold={"limit": 60})
        with made.engine() as engine:
            engine.tick()
        yield made


def killed(instance: Instance, action: str) -> None:
    """The agent dies before it does something."""

    def strike(boundary: str, began: str) -> None:
        if (boundary, began) == ("before", action):
            raise Killed

    with suppress(Killed), instance.engine(Seen(at=strike)) as engine:
        engine.tick()
        raise AssertionError(f"it never came to {action}")


def ended(instance: Instance, folder: Path, patience: int = 0) -> str:
    """What the unit's script says; systemd would say that no agent runs."""
    systemctl = folder / "systemctl"
    systemctl.write_text("#!/bin/sh\nexit 3\n")
    systemctl.chmod(0o755)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "KOPROGO_AGENT_STATES": str(instance.settings.state.directory),
        "KOPROGO_AGENT_RUNS": str(instance.settings.state.run_directory),
        "KOPROGO_AGENT_PATIENCE": str(patience),
    }
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def rooms(instance: Instance) -> list[str]:
    """The names of the waiting rooms that are there."""
    client = instance.lab.engine.client()
    try:
        names = [one.name or "" for one in client.containers.list(all=True)]
    finally:
        client.close()
    return sorted(name for name in names if name.endswith("-room"))


def note(instance: Instance) -> Path:
    """What the agent leaves for the time after its death."""
    return instance.settings.state.directory / "hold"


def test_before_anything_was_exchanged_users_are_let_through(
    instance: Instance, tmp_path: Path
) -> None:
    """They wait until then, and none fails; the agent that comes back brings the release."""
    lab = instance.lab
    lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    with Client(lab.stack, rate=40, writes=0.3, connections=FEW) as client:
        killed(instance, "point")
        assert len(rooms(instance)) == 2
        assert "safe " in note(instance).read_text()
        assert ended(instance, tmp_path, patience=3600) == "", "the agent may be back soon"
        with agent_lock(instance.settings.state.run_directory):
            assert ended(instance, tmp_path) == "", "an agent is at work"
        assert "leads to" in ended(instance, tmp_path)
        assert len(rooms(instance)) == 2, "the ingress may still lead to them"
        wait_until(lambda: "is over" in ended(instance, tmp_path), 90, "the hold to be over", 5)
        assert rooms(instance) == []
        assert not note(instance).exists()
    assert client.tally().failed == 0
    with instance.engine() as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert not client.lost(lab.stack)


@pytest.mark.parametrize("leave", [leave_room_unfinished, end_room, crash_room])
def test_a_room_that_does_not_run_is_no_obstacle(
    instance: Instance, tmp_path: Path, leave: Callable[[Lab, str], None]
) -> None:
    """Its agent was killed while it made it, or it has fallen since: users are led past it."""
    lab = instance.lab
    lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    killed(instance, "point")
    leave(lab, "backend")
    wait_until(lambda: "is over" in ended(instance, tmp_path), 90, "the hold to be over", 5)
    assert rooms(instance) == []
    wait_until(lab.stack.serves, 30, "the ingress to lead to the backend")
    with instance.engine() as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED


def test_while_a_release_is_tried_users_are_led_nowhere(instance: Instance, tmp_path: Path) -> None:
    """What has not passed its gate serves nobody, for however long no agent runs."""
    instance.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    killed(instance, "gate")
    assert "safe " not in note(instance).read_text()
    there = rooms(instance)
    said = ended(instance, tmp_path)
    assert "only the agent can tell" in said
    assert rooms(instance) == there
    with instance.engine() as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert rooms(instance) == []
    assert not note(instance).exists()


def test_without_a_hold_there_is_nothing_to_do(instance: Instance, tmp_path: Path) -> None:
    """Containers stay as they are."""
    before = instance.lab.stack.containers()
    assert ended(instance, tmp_path) == ""
    assert instance.lab.stack.containers() == before
