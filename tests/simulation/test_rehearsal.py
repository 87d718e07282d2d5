"""The rehearsal: what comes along, what it finds, and whom it blames."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.domain.plan import Step
from tests.simulation.checks import assert_no_row_lost, assert_sound
from tests.simulation.images import Program
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT

SCRATCH = f"{PROJECT}-rehearsal"


def rehearsed(instance: Instance) -> set[str]:
    """Lets the agent come to rest; returns the services that it has rehearsed with."""
    seen: set[str] = set()
    machine = instance.scene.machine
    write = machine.busy

    def look() -> None:
        seen.update(box.service for box in machine.of(SCRATCH))
        if write is not None:
            write()

    machine.busy = look
    instance.settle()
    machine.busy = write
    return seen


def codes(instance: Instance) -> set[str]:
    """The codes of all failures so far."""
    return {failure.code for _, failure in instance.watcher.failures}


def bring_service(instance: Instance, program: Program, *, needed: bool = True) -> None:
    """The next release brings one more service, on which its backend may depend."""
    scene = instance.scene
    scene.registry.publish("helper", "1", program)
    helper = {"image": "helper:1", "restart": "unless-stopped", "healthcheck": {"test": ["CMD"]}}
    scene.publisher.more = {**scene.publisher.more, "helper": helper}
    scene.publisher.needs = ("helper",) if needed else ()


def test_storage_and_its_bootstrap_come_along(instance: Instance) -> None:
    """A backend that exits without its bucket passes; ingress and frontend stay out of it."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    assert rehearsed(instance) == {"postgres", "storage", "bootstrap", "backend"}
    assert instance.installed == "v1.1.0"
    assert instance.scene.machine.buckets == {PROJECT}


def test_without_the_storage_it_fails(folder: Path) -> None:
    """What the operator leaves out is missing: the storage is what the rehearsal needed."""
    made = Instance.new(folder, rehearsal={"leave_out": ("storage",)})
    made.install()
    made.scene.publisher.publish("1.0.1")
    assert rehearsed(made) == {"postgres", "backend"}
    assert codes(made) == {"rehearsal.failed"}


def test_replaced_by_environment(folder: Path) -> None:
    """Without the storage, but with another setting of the backend, it passes."""
    environment = {"STORAGE_PROVIDER": "local"}
    rehearsal = {"leave_out": ("storage",), "environment": environment}
    made = Instance.new(folder, rehearsal=rehearsal)
    made.install()
    made.scene.publisher.publish("1.0.1")
    assert rehearsed(made) == {"postgres", "backend"}
    assert made.installed == "v1.0.1"
    box = made.scene.machine.one(PROJECT, "backend")
    assert box is not None
    assert "STORAGE_PROVIDER" not in box.spec["environment"]


def test_what_the_release_leaves_alone_is_not_put_down_to_it(instance: Instance) -> None:
    """A service that runs in production and not beside it postpones; nothing is quarantined."""
    bring_service(instance, Program("server"), needed=False)
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    machine = instance.scene.machine
    broken = Program("server", exits="beside production")
    for box in machine.of(PROJECT, ("helper",)):
        box.program = broken
    instance.scene.images.names["helper:1"] = broken
    instance.scene.publisher.needs = ("helper",)
    instance.scene.publisher.publish("1.0.2")
    instance.tick()
    assert codes(instance) == {"rehearsal.unavailable"}
    assert not instance.quarantined
    assert instance.installed == "v1.0.1"


def test_what_the_release_brings_is_put_down_to_it(instance: Instance) -> None:
    """A service of its own that does not start fails the rehearsal."""
    bring_service(instance, Program("server", exits="beside production"))
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert codes(instance) == {"rehearsal.failed"}
    assert instance.quarantined == {"v1.0.1"}


def test_tablespace(instance: Instance) -> None:
    """A database that a backup cannot hold whole cannot be rehearsed on; nobody is blamed."""
    server = instance.scene.machine.servers[PROJECT]
    server.tablespaces = ("fast",)
    instance.scene.publisher.publish("1.0.1")
    instance.tick()
    assert codes(instance) == {"rehearsal.unavailable"}
    server.tablespaces = ()
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_settings_of_the_database(instance: Instance) -> None:
    """A migration that fails under a setting of the database is found before anything stops."""
    ids = instance.ids
    instance.data.settings["search_path"] = "app"
    backend = {"migration": "search_path"}
    instance.scene.publisher.publish("1.1.0", schema=True, backend=backend)
    instance.settle()
    assert codes(instance) == {"rehearsal.failed"}
    assert "fence" not in instance.watcher.began
    assert_sound(instance, ids)


def test_works_with_is_false(instance: Instance) -> None:
    """A release that claims it of a version which does not start on its schema is refused."""
    ids = instance.ids
    instance.scene.publisher.publish("1.1.0", schema=True, works_with=["1.0.0"])
    instance.settle()
    assert codes(instance) == {"rehearsal.works_with_false"}
    assert instance.quarantined == {"v1.1.0"}
    message = instance.watcher.failures[-1][1].message
    assert message.startswith("v1.1.0 claims that v1.0.0 works on its schema, but it does not")
    assert "VersionMissing(20)" in message
    assert_sound(instance, ids)


def test_works_with_is_true(folder: Path) -> None:
    """The installed version starts on the migrated copy, and its start is measured."""
    made = Instance.new(folder)
    made.scene.publisher.common = {"tolerant": True}
    made.install()
    made.scene.publisher.publish("1.1.0", schema=True, works_with=["1.0.0"])
    made.settle()
    assert made.installed == "v1.1.0"
    operation = made.journal.past(1)[0].operation
    assert operation.fact(Step.REHEARSE, "works_with") == "v1.0.0"
    assert operation.fact(Step.REHEARSE, "old_start_seconds") >= 0
    assert_no_row_lost(made)


@pytest.mark.parametrize("claim", [["0.9.0"], []])
def test_what_is_not_claimed_is_not_measured(instance: Instance, claim: list[str]) -> None:
    """It would cost time, and nothing depends on it."""
    instance.scene.publisher.publish("1.1.0", schema=True, works_with=claim)
    instance.settle()
    operation = instance.journal.past(1)[0].operation
    assert operation.fact(Step.REHEARSE, "works_with") is None
