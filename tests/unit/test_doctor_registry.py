"""What the doctor says of the pattern of image tags, by what the registry has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from koprogo_agent.doctor.finding import Finding, Level, Patient
from koprogo_agent.doctor.registry import image_tags
from koprogo_agent.errors import RetryLater
from tests.simulation.faults import Taps
from tests.simulation.instance import Instance
from tests.simulation.releases import BACKEND, FRONTEND


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance that runs v1.0.0."""
    made = Instance.new(tmp_path)
    made.install()
    return made


def examined(instance: Instance, **changed: object) -> list[Finding]:
    """What is found, with other values in the configuration."""
    settings = instance.settings
    stack = settings.stack.model_copy(update={k: v for k, v in changed.items() if k != "lax"})
    trust = settings.trust.model_copy(update={"require_manifest": "lax" not in changed})
    patient = Patient(
        settings=settings.model_copy(update={"stack": stack, "trust": trust}),
        config=instance.folder / "config.toml",
        journal=instance.folder / "state.db",
        world=instance.scene.world(Taps()),
        host="unix:///nowhere",
        now=datetime.now(UTC),
    )
    return list(image_tags(patient))


def withdraw(instance: Instance, *tags: str) -> None:
    """These tags lead to no image any more."""
    for name in (BACKEND, FRONTEND):
        for tag in tags:
            del instance.scene.registry.published[f"{name}:{tag}"]


def test_the_pattern_that_fits_is_said_to(instance: Instance) -> None:
    """With the image that was asked for."""
    (found,) = examined(instance)
    assert (found.level, found.found) == (Level.GOOD, f"{BACKEND}:1.0.0 is published")


@pytest.mark.parametrize(
    ("configured", "gone", "advice"),
    [("{tag}", "v1.0.0", '"{version}"'), ("{version}", "1.0.0", '"{tag}"')],
)
def test_the_pattern_that_would_fit_is_named(
    instance: Instance, configured: str, gone: str, advice: str
) -> None:
    """Only without manifests does every update wait for it."""
    withdraw(instance, gone)
    (found,) = examined(instance, image_tag=configured)
    assert (found.level, found.advice) == (Level.WARNING, f"set in [stack]: image_tag = {advice}")
    (found,) = examined(instance, image_tag=configured, lax=True)
    assert found.level is Level.FAULT


def test_a_release_whose_images_are_not_there_yet_says_nothing(instance: Instance) -> None:
    """The one before it does."""
    instance.scene.publisher.publish("1.1.0")
    withdraw(instance, "1.1.0", "v1.1.0")
    (found,) = examined(instance)
    assert found.found == f"{BACKEND}:1.0.0 is published"
    withdraw(instance, "1.0.0", "v1.0.0")
    (found,) = examined(instance)
    assert found.found.startswith(f"{BACKEND}:1.1.0 is not published, nor")


def test_where_nothing_can_be_tried_nothing_is_said(instance: Instance) -> None:
    """A fixed tag has no other way to be written; no files, no images."""
    assert examined(instance, image_tag="production-latest") == []
    assert examined(instance, compose_files=("nothing.yml",)) == []


def test_a_registry_that_is_away_is_no_fault(instance: Instance) -> None:
    """It may be the network, of which others tell."""
    instance.scene.registry.failure = RetryLater("the registry is away", code="x")
    (found,) = examined(instance)
    assert (found.level, "the registry is away" in found.found) == (Level.WARNING, True)
