"""Updates on the simulation: each kind of release, and how it ends."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.domain.plan import Step
from tests.simulation.checks import (
    assert_ids_kept,
    assert_no_row_lost,
    assert_sound,
    is_held,
)
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT, way_in
from tests.simulation.releases import BACKEND, MIGRATOR


def test_first_installation(instance: Instance) -> None:
    """On an empty machine the newest release is brought up, and users can write."""
    assert instance.running == "v1.0.0"
    assert_sound(instance, instance.ids)
    assert instance.data.rows


def test_failed_installation_leaves_nothing(folder: Path) -> None:
    """A first release that does not start is taken away whole, and is not tried again."""
    made = Instance.new(folder)
    made.scene.publisher.publish("1.0.0", backend={"exits": "at start"})
    made.settle()
    assert made.installed is None
    assert made.quarantined == {"v1.0.0"}
    assert not made.scene.machine.boxes
    assert not made.scene.images.names
    assert not made.scene.disk.releases()


def test_update_without_schema_change(instance: Instance) -> None:
    """A good release without a migration needs no fence; every unchanged id stays."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert instance.installed == "v1.0.1"
    assert "fence" not in instance.watcher.began
    assert_sound(instance, ids)


def test_release_that_changes_only_a_mounted_file(instance: Instance) -> None:
    """The service that mounts the changed file is made anew, and no other but the release's own."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1", ingress="other")
    instance.settle()
    assert instance.ids["ingress"] != ids["ingress"]
    assert_ids_kept(instance, ids, ("postgres", "storage", "bootstrap"))


def test_an_ingress_that_is_gone_is_made_anew(folder: Path) -> None:
    """Removed by hand while it is stopped: compose makes it again, and users come in."""
    instance = Instance.new(folder)
    instance.scene.publisher.routed = False
    instance.install()
    machine = instance.scene.machine
    removed: list[str] = []

    def meddle() -> None:
        ingress = machine.one(PROJECT, "ingress")
        if instance.watcher.began[-1:] == ["gate"] and ingress and not removed:
            assert ingress.state != "running"
            machine.remove(ingress)
            removed.append(ingress.id)

    instance.taps.each = meddle
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    assert removed
    assert instance.installed == "v1.1.0"
    assert way_in(machine)
    assert_no_row_lost(instance)


@pytest.mark.parametrize("kind", ["start", "command", "service"])
def test_update_with_schema_change(folder: Path, kind: str) -> None:
    """Each kind of migration brings the new schema; every row and every unchanged id stays."""
    keys: dict[str, Any] = {"kind": kind}
    keys |= {"command": ("backend", "migrate")} if kind == "command" else {}
    keys |= {"service": "migrator"} if kind == "service" else {}
    made = Instance.new(folder, migration=keys)
    made.scene.publisher.common = {"migrates_at_start": kind == "start"}
    made.scene.publisher.more = MIGRATOR if kind == "service" else {}
    made.install()
    ids = made.ids
    made.scene.publisher.publish("1.1.0", schema=True)
    made.settle()
    assert made.installed == "v1.1.0"
    assert made.data.applied == [1, 20]
    assert_sound(made, ids)


@pytest.mark.parametrize(
    "backend",
    [
        {"exits": "at start"},
        {"exits": "after migration"},
        {"migration": "fails"},
        {"migration": "hangs"},
    ],
    ids=str,
)
def test_rehearsal_catches(instance: Instance, backend: dict[str, Any]) -> None:
    """What fails on a copy of the data is found before anything stops: nobody notices."""
    ids = instance.ids
    instance.scene.publisher.publish("1.1.0", schema=True, backend=backend)
    instance.settle()
    assert instance.ids == ids
    assert instance.quarantined == {"v1.1.0"}
    assert "fence" not in instance.watcher.began
    assert instance.scene.disk.releases() == ("v1.0.0",)
    assert not [name for name in instance.scene.images.names if "1.1.0" in name]
    assert_sound(instance, ids)


@pytest.mark.parametrize(
    ("backend", "rehearsal"),
    [
        ({"exits": "in production"}, "always"),
        ({"exits": "at start"}, "never"),
        ({"exits": "after migration"}, "never"),
        ({"migration": "fails"}, "never"),
        ({"migration": "hangs"}, "never"),
    ],
    ids=str,
)
def test_rolled_back_as_a_pair(folder: Path, backend: dict[str, Any], rehearsal: str) -> None:
    """What fails in production goes back with its data, is quarantined, and never looped on."""
    made = Instance.new(folder, rehearsal={"when": rehearsal})
    made.install()
    ids = made.ids
    made.scene.publisher.publish("1.1.0", schema=True, backend=backend)
    made.settle()
    assert made.installed == "v1.0.0"
    assert made.quarantined == {"v1.1.0"}
    assert made.data.applied == [1]
    assert_sound(made, ids)
    done = list(made.watcher.began)
    made.settle()
    assert made.watcher.began == done


def test_rolled_back_by_images_alone(instance: Instance) -> None:
    """Without a schema change nothing but the images goes back, and the data is not touched."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1", backend={"exits": "in production"})
    instance.settle()
    assert instance.quarantined == {"v1.0.1"}
    assert "undo point" not in instance.watcher.began
    assert_sound(instance, ids)


def test_newer_release_after_a_quarantined_one(instance: Instance) -> None:
    """The association's next release is installed over one that failed here."""
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    instance.settle()
    instance.scene.publisher.publish("1.1.1", schema=True)
    instance.settle()
    assert instance.installed == instance.running == "v1.1.1"
    assert_no_row_lost(instance)


def test_slow_migration_moves_the_deadline(instance: Instance) -> None:
    """A migration that is seen to work may take longer than the gate's deadline."""
    backend = {"migration_seconds": 100.0}
    instance.scene.publisher.publish("1.1.0", schema=True, backend=backend)
    instance.settle()
    assert instance.installed == "v1.1.0"
    assert_no_row_lost(instance)


def test_death_in_the_soak_without_schema_change(instance: Instance) -> None:
    """A release that dies after its commit goes back by its images alone."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1", backend={"dies_after": 10.0})
    instance.settle()
    assert instance.installed == "v1.0.0"
    assert instance.quarantined == {"v1.0.1"}
    assert_sound(instance, ids)


def test_death_in_the_soak_after_users_wrote(instance: Instance) -> None:
    """Their rows stay: the agent does not go back, and asks for a person when it cannot go on."""
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"dies_after": 10.0})
    instance.settle()
    assert is_held(instance)
    assert instance.installed == "v1.1.0"
    assert "undo point" not in instance.watcher.began
    assert_no_row_lost(instance)
    titles = [title for title, _ in instance.scene.notifier.told]
    assert titles[-2:] == ["KoproGo: the agent needs you", "KoproGo is down"]


def test_death_in_the_soak_where_the_old_version_works_on_the_new_schema(folder: Path) -> None:
    """With `works_with`, the old images go back on the new data, and no row is lost."""
    made = Instance.new(folder)
    made.scene.publisher.common = {"tolerant": True}
    made.install()
    publish = made.scene.publisher.publish
    publish("1.1.0", schema=True, backend={"dies_after": 10.0}, works_with=["1.0.0"])
    made.settle()
    assert made.installed == made.running == "v1.0.0"
    assert made.data.applied == [1, 20]
    assert_no_row_lost(made)
    assert "undo point" not in made.watcher.began


def test_missing_image_is_waited_for(instance: Instance) -> None:
    """A release whose image is not published yet waits, longer each time, and is then installed."""
    instance.scene.publisher.publish("1.0.1")
    gone = instance.scene.publisher.withdraw("1.0.1")
    starts = []
    for _ in range(30):
        if instance.tick() is not None:
            starts.append(instance.scene.clock.seconds)
        instance.wait(180)
    waits = [later - sooner for sooner, later in pairwise(starts)]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    assert not instance.quarantined
    assert instance.scene.notifier.told[-1][0] == "KoproGo: v1.0.1 is not installed"
    instance.scene.registry.published |= gone
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_missing_variable(instance: Instance) -> None:
    """A variable without a value postpones the release; with a value it is installed."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1", environment={"MAIL_FROM": "${MAIL_FROM}"})
    instance.tick()
    assert instance.watcher.failures[-1][1].code == "env.variable_missing"
    assert instance.ids == ids
    env_file = instance.settings.stack.env_files[0]
    env_file.write_text(env_file.read_text() + "MAIL_FROM=board@example.org\n")
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_too_little_disk(instance: Instance) -> None:
    """A release for which there is no room waits for room; nothing is begun."""
    instance.scene.publisher.publish("1.0.1")
    instance.scene.disk.free = 200_000_000
    instance.tick()
    assert instance.watcher.failures[-1][1].code == "disk.too_little"
    assert not [name for name in instance.scene.images.names if "v1.0.1" in name]
    instance.scene.disk.free = 20_000_000_000
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_no_room_for_a_rehearsal_only(instance: Instance) -> None:
    """Where only the rehearsal does not fit, it is left out, and the release is installed."""
    instance.scene.publisher.publish("1.0.1")
    instance.scene.disk.free = 500_000_000
    instance.settle()
    assert instance.installed == "v1.0.1"
    operation = instance.journal.past(1)[0].operation
    assert operation.fact(Step.REHEARSE, "left_out")


def test_without_a_manifest(folder: Path) -> None:
    """Where the operator accepts it, images are resolved by tag, and that digest is pinned."""
    made = Instance.new(folder, trust={"require_manifest": False})
    publish = made.scene.publisher.publish
    publish("1.0.0", legacy=True)
    made.settle()
    ids = made.ids
    publish("1.1.0", legacy=True, schema=True)
    made.settle()
    assert made.installed == "v1.1.0"
    box = made.scene.machine.one(PROJECT, "backend")
    assert box is not None
    assert box.image == f"{BACKEND}@{box.program.digest}"
    assert_sound(made, ids)
