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


def test_what_runs_is_gone_back_to_by_digest(tmp_path: Path) -> None:
    """The tag of the branch leads elsewhere by then; what comes back is what ran."""
    made = by_hand(tmp_path, legacy=False)
    made.settle()
    made.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    move(made, "1.1.0")
    for name in (BACKEND, FRONTEND):
        made.scene.images.pull(f"{name}:{MOVING}", lambda _: None)
    made.settle()
    assert made.quarantined == {"v1.1.0"}
    assert made.installed == made.running == "v1.0.0", made.watcher.failures
    assert made.engine.drift() == ()

    changed = made.ids
    made.scene.publisher.publish("1.2.0")
    made.settle()
    assert made.installed == made.running == "v1.2.0", made.watcher.failures
    assert {name for name, one in made.ids.items() if changed[name] != one} <= {
        "backend",
        "frontend",
    }


@pytest.mark.parametrize("bad", [False, True])
def test_a_container_that_was_pruned_before_adoption(tmp_path: Path, *, bad: bool) -> None:
    """A one-shot that has ended, such as the one that makes the bucket: it is nobody's fault."""
    made = by_hand(tmp_path, legacy=False)
    box = made.scene.machine.one(made.settings.stack.project, "bootstrap")
    assert box is not None
    made.scene.machine.remove(box)
    made.settle()
    assert "bootstrap" not in made.ids
    traits = {"exits": "in production"} if bad else {}
    made.scene.publisher.publish("1.1.0", schema=True, backend=traits)
    made.settle()
    wanted = "v1.0.0" if bad else "v1.1.0"
    assert made.installed == made.running == wanted, made.watcher.failures
