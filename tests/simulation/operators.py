"""What the operator of a simulated instance does with their own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from koprogo_agent.update.runner import Ran
from tests.simulation.checks import (
    assert_serves,
)
from tests.simulation.images import Program
from tests.simulation.instance import Instance

TOOL: Mapping[str, Any] = {"restart": "unless-stopped", "image": "storage:1"}
CRASHING = Program("backend", exits="at start")
BROKEN = {"exits": "in production"}
OVERRIDE = Path("/srv/own.yml")


def write(instance: Instance, services: Mapping[str, object]) -> None:
    """Writes the operator's override file."""
    instance.scene.disk.texts[OVERRIDE] = json.dumps({"services": services}).encode()


def bring(instance: Instance, version: str, **traits: Any) -> Ran:  # noqa: ANN401 - see Traits
    """Publishes a release and lets the agent act."""
    instance.scene.publisher.publish(version, **traits)
    ran = instance.tick()
    assert ran is not None, instance.errors
    return ran


def profile(instance: Instance, names: str) -> None:
    """Switches profiles on in the operator's env file, and all others off."""
    file = instance.settings.stack.env_files[0]
    lines = [one for one in file.read_text().splitlines() if "COMPOSE_PROFILES" not in one]
    file.write_text("\n".join([*lines, f"COMPOSE_PROFILES={names}", ""]))


def assert_well(instance: Instance) -> None:
    """The stack is up, and as it was applied."""
    condition = instance.engine.health.examine()
    assert condition is not None
    assert not condition.is_down, condition.reason
    assert instance.engine.drift() == ()
    assert_serves(instance)
