"""What depends on a service follows it: the order of starting, and namespaces and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.domain.states import Outcome
from tests.simulation.checks import assert_serves
from tests.simulation.instance import Instance
from tests.simulation.operators import TOOL, assert_well, bring
from tests.simulation.people import PROJECT

STARTED = {"condition": "service_started"}
RESTARTED = {**STARTED, "restart": True}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "network": {"network_mode": "service:backend"},
    "network, and says so": {
        "network_mode": "service:backend",
        "depends_on": {"backend": STARTED},
    },
    "volumes": {"volumes_from": ["backend"]},
    "restart": {"depends_on": {"backend": RESTARTED}},
}


@pytest.mark.parametrize("schema", [False, True])
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_depends_on_the_backend(instance: Instance, kind: str, *, schema: bool) -> None:
    """It is started after the new one, and Compose would leave it as it is."""
    machine = instance.scene.machine
    instance.scene.publisher.more = {"follower": {**TOOL, **KINDS[kind]}}
    assert bring(instance, "1.1.0").outcome is Outcome.COMMITTED
    assert bring(instance, "1.2.0", schema=schema).outcome is Outcome.COMMITTED
    backend, follower = machine.one(PROJECT, "backend"), machine.one(PROJECT, "follower")
    assert backend is not None
    assert follower is not None
    assert int(follower.id) > int(backend.id) or follower.runs > 1
    assert not machine.is_cut_off(follower)
    assert_well(instance)


def test_what_is_restarted_with_its_storage_does_not_hide_it(folder: Path) -> None:
    """The one-shot that needs the storage is started after it, also in an installation."""
    made = Instance.new(folder)
    needs = {"storage": {"condition": "service_healthy", "restart": True}, "backend": RESTARTED}
    made.scene.publisher.more = {"follower": {**TOOL, "depends_on": needs}}
    made.install()
    assert_serves(made)
    assert bring(made, "1.1.0", schema=True).outcome is Outcome.COMMITTED
    assert_well(made)


PORTS = {"ports": [{"target": 25, "published": "2525", "protocol": "tcp"}]}


@pytest.mark.parametrize("schema", [False, True])
@pytest.mark.parametrize("what", [{"container_name": "helper"}, PORTS])
@pytest.mark.parametrize("bad", ["", "in production"])
def test_a_name_or_port_moves_to_another_service(
    instance: Instance, what: Mapping[str, Any], bad: str, *, schema: bool
) -> None:
    """Both services stay; the one that has it makes room for the other, and on the way back."""
    publisher, machine = instance.scene.publisher, instance.scene.machine
    publisher.more = {"one": {**TOOL, **what}, "another": {**TOOL, "depends_on": {"one": STARTED}}}
    assert bring(instance, "1.1.0").outcome is Outcome.COMMITTED
    moved = {"another": {**TOOL, **what}, "one": {**TOOL, "depends_on": {"another": STARTED}}}
    publisher.more = moved
    ran = bring(instance, "1.2.0", schema=schema, backend={"exits": bad} if bad else {})
    assert (ran.outcome is Outcome.COMMITTED) is not bool(bad)
    assert instance.quarantined == ({"v1.2.0"} if bad else set())
    has_it = "one" if bad else "another"
    found = [box.service for box in machine.boxes if box.name == "helper" or box.ports]
    assert found == [has_it]
    assert_well(instance)


@pytest.mark.parametrize("schema", [False, True])
def test_a_release_has_none_of_a_service_any_more(instance: Instance, *, schema: bool) -> None:
    """Scaled to nothing, its containers go."""
    instance.scene.publisher.more = {"worker": {**TOOL, "scale": 2}}
    assert bring(instance, "1.1.0").outcome is Outcome.COMMITTED
    assert len(instance.scene.machine.of(PROJECT, ("worker",))) == 2
    instance.scene.publisher.more = {"worker": {**TOOL, "scale": 0}}
    assert bring(instance, "1.2.0", schema=schema).outcome is Outcome.COMMITTED
    assert "worker" not in instance.ids
    assert_well(instance)


@pytest.mark.parametrize("rehearsal", ["always", "never"])
def test_what_a_release_needs_is_down(folder: Path, rehearsal: str) -> None:
    """The new version does not start beside the old one: the storage is why, not the release."""
    instance = Instance.new(folder, rehearsal={"when": rehearsal}, policy={"drift": "report"})
    instance.install()
    storage = instance.scene.machine.one(PROJECT, "storage")
    assert storage is not None
    instance.scene.machine.stop(storage)
    assert bring(instance, "1.1.0").outcome is not Outcome.CANCELLED
    assert instance.quarantined == set()
    codes = {failure.code for _, failure in instance.watcher.failures}
    assert "gate.fallen" in codes
