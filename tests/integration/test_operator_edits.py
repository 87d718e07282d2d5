"""The operator edits their own files between two operations: env file, profiles, override files.

One stack goes through all of it; every test begins on a healthy stack and leaves one behind.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.runner import Ran
from tests.instance import Instance, Seen
from tests.lab.recipes import Kind
from tests.lab.releases import Release
from tests.scenes import installed

pytestmark = pytest.mark.real

LEAN: Mapping[str, Mapping[str, Any]] = {
    "gate": {"samples": 2, "interval": 0.5, "deadline": 60, "max_deadline": 120},
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
    "hold": {"beside": False},  # what fails only in production is to get as far as the switch
}


def idle(name: str, **more: object) -> dict[str, object]:
    """A service that does nothing until it is told to stop."""
    return {
        "image": "${REGISTRY}/lab/minio:1",
        "container_name": f"${{STACK_NAME}}-{name}",
        "restart": "unless-stopped",
        "stop_grace_period": "2s",
        "entrypoint": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"],
        "networks": ["koprogo-network"],
        **more,
    }


@pytest.fixture(scope="module")
def lean(instance: Instance) -> Instance:
    """It leaves out what others prove."""
    return instance.changed(**LEAN)


@pytest.fixture
def override(instance: Instance) -> Path:
    """An override file of the operator's, without services at first."""
    file = instance.lab.stack.directory / "own.yml"
    write(file, {})
    return file


@pytest.fixture
def overriding(instance: Instance, override: Path) -> Instance:
    """An agent whose configuration names that file."""
    return instance.changed(**LEAN, stack={"overrides": [str(override)]})


def write(file: Path, services: Mapping[str, object]) -> None:
    """Writes a compose file with these services."""
    file.write_text(json.dumps({"services": services}))


@contextlib.contextmanager
def profile_on(instance: Instance, name: str) -> Iterator[None]:
    """Meanwhile the operator's env file switches a profile on."""
    file = instance.lab.stack.env_file
    text = file.read_text()
    file.write_text(f"{text}COMPOSE_PROFILES={name}\n")
    yield
    file.write_text(text)


def bring(instance: Instance, kind: Kind = Kind.GOOD) -> tuple[Release, Ran, Seen]:
    """Publishes a release and lets the agent act."""
    release, seen = instance.lab.publisher.publish(kind), Seen()
    with instance.engine(seen) as engine:
        ran = engine.tick()
        assert ran is not None
        return release, engine.see_through(ran), seen


def quarantined(instance: Instance) -> set[str]:
    """Tags in quarantine."""
    with instance.engine() as engine:
        return {one.tag for one in engine.memory.quarantined().values()}


def is_well(instance: Instance) -> bool:
    """Whether users are served, and the agent finds the stack up and as it was applied."""
    with instance.engine() as engine:
        condition = engine.health.examine()
        up = condition is not None and not condition.is_down
        return up and not engine.drift() and instance.lab.stack.serves()


def test_a_service_of_an_override_file_comes_and_goes(overriding: Instance, override: Path) -> None:
    """It outlives the way back of the release that it came with, and goes when it is taken out."""
    stack = overriding.lab.stack
    write(override, {"pgadmin": idle("pgadmin")})
    assert bring(overriding, Kind.BROKEN_IN_PRODUCTION)[1].outcome is Outcome.ROLLED_BACK
    assert stack.state("pgadmin")["Running"]
    assert is_well(overriding)
    assert bring(overriding)[1].outcome is Outcome.COMMITTED
    assert stack.state("pgadmin")["Running"]
    write(override, {})
    assert bring(overriding)[1].outcome is Outcome.COMMITTED
    assert "pgadmin" not in stack.containers()
    assert is_well(overriding)


def test_a_service_of_the_operators_own_that_fails_blames_no_release(
    overriding: Instance, override: Path
) -> None:
    """The release goes back, for the stack is not healthy; it is tried again later."""
    write(override, {"pgadmin": idle("pgadmin", entrypoint=["/bin/sh", "-c", "exit 3"])})
    release, ran, seen = bring(overriding)
    assert ran.outcome is Outcome.ROLLED_BACK
    assert "pgadmin" in seen.failures[-1].message
    assert release.tag not in quarantined(overriding)
    assert overriding.lab.stack.serves()
    write(override, {})
    assert bring(overriding)[1].outcome is Outcome.COMMITTED
    assert "pgadmin" not in overriding.lab.stack.containers()


def test_a_profile_is_switched_on_and_off(lean: Instance) -> None:
    """On: the next release brings its service. Off: a way back ends with users served."""
    publisher, stack = lean.lab.publisher, lean.lab.stack
    publisher.compose = {"services": {"debug": idle("debug", profiles=["debug"])}}
    with profile_on(lean, "debug"):
        assert bring(lean)[1].outcome is Outcome.COMMITTED
        assert "debug" in stack.containers()
        was = installed(lean)
    assert is_well(lean)
    release, ran, _ = bring(lean, Kind.BROKEN_IN_PRODUCTION)
    assert ran.outcome is Outcome.ROLLED_BACK
    assert installed(lean) == was
    assert release.tag in quarantined(lean)
    assert "debug" not in stack.containers()
    assert is_well(lean)


def test_a_container_from_another_file_of_the_operators_stays(
    lean: Instance, tmp_path: Path
) -> None:
    """Compose counts it to the same project; the agent does not."""
    stack, file = lean.lab.stack, tmp_path / "mine.yml"
    write(file, {"mine": {**idle("mine"), "networks": []}})
    stack.compose(stack.tree, "-f", str(file), "up", "-d", "--no-deps", "mine")
    made = stack.containers()["mine"]
    assert bring(lean)[1].outcome is Outcome.COMMITTED
    assert stack.containers()["mine"] == made
    stack.compose(stack.tree, "-f", str(file), "rm", "--stop", "--force", "mine")
    assert is_well(lean)


def test_an_env_file_that_is_away_during_the_soak_takes_nothing_back(lean: Instance) -> None:
    """What runs is watched on meanwhile."""
    watching = lean.changed(**LEAN, soak={"duration": 4, "interval": 1})
    env_file, release = lean.lab.stack.env_file, lean.lab.publisher.publish(Kind.GOOD)
    kept = env_file.read_text()
    with watching.engine() as engine:
        ran = engine.tick()
        assert ran is not None
        assert ran.watches
        env_file.unlink()
        ran = engine.finish()
        assert ran is not None
        assert ran.watches
        env_file.write_text('not = an env "file\n')
        ran = engine.finish()
        env_file.write_text(kept)
        assert ran is not None
        assert engine.see_through(ran).outcome is Outcome.COMMITTED
    assert installed(lean) == release.tag


def test_a_broken_override_file_blames_no_release(overriding: Instance, override: Path) -> None:
    """The release is installed once the file is mended."""
    override.write_text("services: [")
    release, ran, seen = bring(overriding)
    assert ran.outcome is Outcome.CANCELLED
    assert (seen.failures[0].kind, seen.failures[0].code) == (
        "NeedsOperator",
        "compose.operator_files",
    )
    assert release.tag not in quarantined(overriding)
    override.unlink()
    _, ran, seen = bring(overriding)
    assert ran.outcome is Outcome.CANCELLED
    assert str(override) in seen.failures[0].message
    write(override, {})
    later, ran, _ = bring(overriding)
    assert ran.outcome is Outcome.COMMITTED
    assert installed(overriding) == later.tag


def test_a_service_without_an_image_is_named(
    lean: Instance, overriding: Instance, override: Path
) -> None:
    """In a release, it is the release's fault; in the operator's own file, it is theirs."""
    tool = {"build": {"context": "."}, "networks": ["koprogo-network"]}
    write(override, {"tool": tool})
    release, ran, seen = bring(overriding)
    assert ran.outcome is Outcome.CANCELLED
    assert (seen.failures[0].kind, seen.failures[0].code) == (
        "NeedsOperator",
        "stage.no_image_named",
    )
    assert "tool" in seen.failures[0].message
    assert release.tag not in quarantined(lean)
    lean.lab.publisher.compose = {"services": {"tool": tool}}
    release, ran, seen = bring(lean)
    lean.lab.publisher.compose = {}
    assert ran.outcome is Outcome.CANCELLED
    assert "tool" in seen.failures[0].message
    assert release.tag in quarantined(lean)
    assert bring(lean)[1].outcome is Outcome.COMMITTED
