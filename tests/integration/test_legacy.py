"""A repository as KoproGo's is today: base, override and env file, `${IMAGE_TAG}`, no manifest.

One stack, brought up by hand, goes through all of it, because the operator asked for it with
`trust.require_manifest = false`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.requests import Requests
from tests.instance import Instance
from tests.lab import oci
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.releases import Release
from tests.lab.stack import ONE_SHOT
from tests.scenes import bring, installed, lives, watch, writer

pytestmark = pytest.mark.real

CHANGED = {"backend", "frontend"}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
}


@pytest.fixture(scope="module")
def legacy(lab: Lab) -> Instance:
    """An agent that has adopted a stack of the first release."""
    first = lab.publisher.publish(Kind.LEGACY)
    lab.install(first)
    instance = Instance.create(lab, trust={"require_manifest": False}, **SETTINGS)
    adopted = watch(instance)
    assert adopted.ran is None
    assert adopted.restarted == set()
    assert installed(instance) == first.tag
    return instance


def images(instance: Instance) -> dict[str, str]:
    """Service -> the image reference that its container was made with."""
    with instance.engine() as engine:
        found = engine.world.stack.containers(instance.lab.name)
    return {one.service: one.image for one in found}


def pins(instance: Instance) -> dict[str, str]:
    """Service -> the image reference that is recorded for it."""
    with instance.engine() as engine:
        deployment = engine.journal.installed
    assert deployment is not None
    return {name: pin.image for name, pin in deployment.pins.items()}


def by_digest(release: Release) -> dict[str, str]:
    """Service -> the reference by digest of a release's image."""
    return {name: f"{image.repository}@{image.digest}" for name, image in release.images.items()}


def test_images_are_resolved_by_tag_and_pinned(legacy: Instance) -> None:
    """Only who asked for it takes a release without manifest; its digests are kept and run."""
    env = legacy.lab.stack.env_file.read_bytes()
    demanding = legacy.changed(trust={"require_manifest": True}, **SETTINGS)
    release, refused = bring(demanding, Kind.LEGACY)
    assert refused.ran is None
    with legacy.engine() as engine:
        assert engine.memory.refusals()[0].code == "trust.no_manifest"

    updated = watch(legacy)
    assert updated.outcome is Outcome.COMMITTED
    assert updated.replaced == CHANGED
    assert updated.restarted <= CHANGED | {ONE_SHOT}
    assert pins(legacy).items() >= by_digest(release).items()
    assert images(legacy).items() >= by_digest(release).items()
    assert legacy.lab.stack.env_file.read_bytes() == env


def test_a_tag_that_moves_in_the_registry_moves_nothing(legacy: Instance) -> None:
    """Neither a tick nor a way back takes what the tag names now: the pair is the one it was."""
    lab = legacy.lab
    was, schema = images(legacy), lab.stack.applied()
    other = lab.publisher.draft(Kind.LEGACY)
    for name in CHANGED:
        oci.publish(other.images[name], lab.registry, [f"{installed(legacy)}"])
    idle = watch(legacy)
    assert idle.ran is None
    assert idle.restarted == set()
    with legacy.engine() as engine:
        assert engine.drift() == ()

    _, taken_back = bring(legacy, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION)
    assert taken_back.outcome is Outcome.ROLLED_BACK
    assert taken_back.replaced <= CHANGED
    assert images(legacy) == was
    assert lab.stack.applied() == schema


def test_an_unsigned_release_is_refused(legacy: Instance) -> None:
    """Going without a manifest is not going without a signature."""
    release, refused = bring(legacy, Kind.LEGACY_UNSIGNED)
    assert refused.ran is None
    assert refused.restarted == set()
    assert refused.tally.failed == 0
    with legacy.engine() as engine:
        newest = engine.memory.refusals()[0]
    assert (newest.tag, newest.code) == (release.tag, "tag.unsigned")


def test_a_schema_change_is_seen_and_rehearsed_without_a_manifest(legacy: Instance) -> None:
    """The folder of migrations tells; all that a schema change needs is done."""
    rehearsing = legacy.changed(trust={"require_manifest": False})
    release, updated = bring(rehearsing, Kind.LEGACY_WITH_MIGRATION)
    assert updated.outcome is Outcome.COMMITTED
    assert {"backup", "rehearse", "hold", "point", "release"} <= set(updated.seen.actions)
    assert updated.replaced == CHANGED
    assert updated.restarted <= {*CHANGED, ONE_SHOT}
    assert legacy.lab.stack.applied() == list(release.migrations)
    assert pins(legacy).items() >= by_digest(release).items()


def test_going_back_by_hand_takes_the_pinned_images(legacy: Instance) -> None:
    """The last good release runs again by its digests, although its tag names others by now."""
    was = images(legacy)
    before, _ = installed(legacy), bring(legacy, Kind.LEGACY)
    containers = lives(legacy.lab.stack)
    with writer(legacy.lab.stack), legacy.engine() as engine:
        ran = Requests(engine).rollback()
    assert ran.outcome is Outcome.COMMITTED
    assert installed(legacy) == before
    assert images(legacy) == was
    after = lives(legacy.lab.stack)
    assert {name for name in after if after[name] != containers[name]} <= CHANGED | {ONE_SHOT}
