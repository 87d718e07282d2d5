"""The first update of a stack that was brought up by hand, with a tag that moves in its `.env`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.instance import Instance
from tests.simulation.releases import BACKEND, FRONTEND

MOVING = "production-latest"
"""What KoproGo's `.env.example` says."""
CHANGED = {"backend"}


def by_hand(folder: Path, *, legacy: bool) -> Instance:
    """KoproGo's images of v1.0.0 under the tag of its branch."""
    made = Instance.new(folder, trust={"require_manifest": not legacy})
    made.scene.publisher.publish("1.0.0", legacy=legacy)
    move(made, "1.0.0")
    made.bring_up_by_hand("v1.0.0", MOVING)
    return made


def move(instance: Instance, version: str) -> None:
    """The branch's tag leads to the images of a release from now on."""
    registry = instance.scene.registry
    for name in (BACKEND, FRONTEND):
        registry.publish(name, MOVING, registry.published[f"{name}:{version}"])


@pytest.mark.parametrize("legacy", [False, True])
def test_the_first_update_touches_only_what_it_changes(tmp_path: Path, *, legacy: bool) -> None:
    """Images are compared by digest: another way to write the same one is no change."""
    made = by_hand(tmp_path, legacy=legacy)
    adopted = made.ids
    made.settle()
    assert made.ids == adopted, "adoption restarts nothing"

    made.scene.publisher.publish("1.1.0", legacy=legacy, frontend="1.0.0")
    made.settle()
    assert made.installed == made.running == "v1.1.0", made.watcher.failures
    changed = {name for name, one in made.ids.items() if adopted[name] != one}
    assert changed == CHANGED


@pytest.mark.parametrize("legacy", [False, True])
def test_a_tag_that_moved_under_a_container_is_not_taken_for_it(
    tmp_path: Path, *, legacy: bool
) -> None:
    """The operator pulled and did not start: the tag leads to the release, the container not."""
    made = by_hand(tmp_path, legacy=legacy)
    made.settle()
    made.scene.publisher.publish("1.1.0", legacy=legacy)
    move(made, "1.1.0")
    for name in (BACKEND, FRONTEND):
        made.scene.images.pull(f"{name}:{MOVING}", lambda _: None)

    made.settle()
    assert made.installed == made.running == "v1.1.0", made.watcher.failures
    installed = made.journal.installed
    assert installed is not None
    written = {installed.pins[name].image.partition("@")[0] for name in ("backend", "frontend")}
    assert written == {BACKEND, FRONTEND}, "each by its digest"
