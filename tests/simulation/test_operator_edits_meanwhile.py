"""The operator edits their own files, or their services fall, while an operation goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from koprogo_agent.domain.states import Outcome
from tests.simulation.checks import (
    is_held,
)
from tests.simulation.instance import TICK, Instance
from tests.simulation.operators import (
    BROKEN,
    CRASHING,
    TOOL,
    assert_well,
    bring,
    profile,
    write,
)
from tests.simulation.people import PROJECT


def is_down(instance: Instance, service: str) -> bool:
    """Whether a service's container is not up."""
    box = instance.scene.machine.one(PROJECT, service)
    return box is None or box.state != "running"


def test_a_service_with_a_port_is_scaled(overriding: Instance) -> None:
    """Its containers cannot all have the port: it is said before anything is held."""
    ports = [{"target": 25, "published": "2525", "protocol": "tcp"}]
    overriding.scene.publisher.more = {"mailer": {**TOOL, "ports": ports}}
    assert bring(overriding, "1.1.0").outcome is Outcome.COMMITTED
    write(overriding, {"mailer": {"deploy": {"replicas": 2}}})
    overriding.watcher.began.clear()
    assert bring(overriding, "1.2.0").outcome is Outcome.CANCELLED
    _, failure = overriding.watcher.failures[-1]
    assert failure.code == "port.twice"
    assert "hold" not in overriding.watcher.began
    assert overriding.quarantined == set()


def test_a_profile_is_off_while_the_stack_is_put_right(instance: Instance) -> None:
    """Its service goes; once the profile is on again, it comes back by itself."""
    instance.scene.publisher.more = {"debug": {**TOOL, "profiles": ["debug"]}}
    profile(instance, "debug")
    assert bring(instance, "1.1.0").outcome is Outcome.COMMITTED
    profile(instance, "")
    backend = instance.scene.machine.one(PROJECT, "backend")
    assert backend is not None
    instance.scene.machine.remove(backend)
    instance.settle()
    assert "debug" not in instance.ids
    assert_well(instance)
    profile(instance, "debug")
    assert instance.engine.drift() == ("debug has no container",)
    instance.settle()
    assert "debug" in instance.ids
    assert_well(instance)


def test_an_env_file_is_away_on_the_way_back_of_what_was_down_before(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person removed cannot be started without the file: it is waited for, without HELD."""
    file = instance.settings.stack.env_files[0]
    kept = file.read_text()
    frontend = instance.scene.machine.one(PROJECT, "frontend")
    assert frontend is not None
    instance.scene.machine.remove(frontend)

    def look(_name: str) -> None:
        if instance.watcher.began[-1:] == ["hold"]:
            file.unlink(missing_ok=True)

    monkeypatch.setattr(instance.taps, "look", look)
    instance.scene.publisher.publish("1.1.0", schema=True)
    for _ in range(3):
        instance.tick()
        instance.wait(TICK)
    assert not is_held(instance)
    monkeypatch.undo()
    file.write_text(kept)
    instance.settle()
    assert instance.quarantined == set()
    assert instance.installed == "v1.1.0"
    assert_well(instance)


@pytest.mark.parametrize("backend", [{}, BROKEN])
def test_a_service_is_scaled_to_nothing(
    overriding: Instance, backend: Mapping[str, object]
) -> None:
    """It is not missed, after an update and after a way back."""
    write(overriding, {"tool": TOOL})
    assert bring(overriding, "1.1.0").outcome is Outcome.COMMITTED
    write(overriding, {"tool": {**TOOL, "scale": 0}})
    bring(overriding, "1.2.0", schema=True, backend=backend)
    assert "tool" not in overriding.ids
    assert_well(overriding)


def falls_in(instance: Instance, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the tool end while an action looks at the stack."""

    def look(_name: str) -> None:
        box = instance.scene.machine.one(PROJECT, "tool")
        if instance.watcher.began[-1:] == [action] and box is not None:
            instance.scene.machine.stop(box)

    monkeypatch.setattr(instance.taps, "look", look)


def on(instance: Instance, at: str, edit: Callable[[], None]) -> None:
    """Has the operator do something at the first instant of this name."""
    each, left = instance.taps.each, [edit]

    def strike() -> None:
        if each is not None:
            each()
        if left and instance.taps.names[-1:] == [at]:
            left.pop()()

    instance.taps.each = strike


@pytest.mark.parametrize(
    "change", [{"mailer": {"scale": 2}}, {"tool": {**TOOL, "depends_on": {"mailer": {}}}}]
)
def test_an_override_that_names_what_a_release_drops(
    overriding: Instance, change: Mapping[str, object]
) -> None:
    """Compose refuses it; the override file is said to be why, and the release stays eligible."""
    overriding.scene.publisher.more = {"mailer": TOOL}
    assert bring(overriding, "1.1.0").outcome is Outcome.COMMITTED
    write(overriding, change)
    overriding.scene.publisher.more = {}
    assert bring(overriding, "1.2.0").outcome is Outcome.CANCELLED
    _, failure = overriding.watcher.failures[-1]
    assert (failure.kind, failure.code) == ("NeedsOperator", "compose.operator_files")
    assert "mailer" in failure.message
    assert overriding.quarantined == set()
    write(overriding, {})
    overriding.settle()
    assert overriding.installed == overriding.running == "v1.2.0"
    assert_well(overriding)


@pytest.mark.parametrize("schema", [False, True])
def test_a_service_is_scaled_while_a_release_is_brought(
    overriding: Instance, *, schema: bool
) -> None:
    """What is asked for at the end is what the gate goes by; the release is not to blame."""
    write(overriding, {"tool": {**TOOL, "scale": 2}})
    on(overriding, "files.lay before", lambda: write(overriding, {"tool": {**TOOL, "scale": 1}}))
    bring(overriding, "1.1.0", schema=schema)
    overriding.settle()
    assert overriding.quarantined == set()
    assert overriding.installed == overriding.running == "v1.1.0"
    assert len(overriding.scene.machine.of(PROJECT, ("tool",))) == 1
    assert_well(overriding)


def test_a_service_is_taken_out_while_a_release_is_watched(overriding: Instance) -> None:
    """However often it then restarts, it is nothing of the release."""
    overriding.scene.registry.publish("crashing", "1", CRASHING)
    write(overriding, {"tool": TOOL})
    overriding.scene.publisher.publish("1.1.0")
    ran = overriding.act(overriding.engine.tick)
    assert ran is not None
    assert ran.watches
    box = overriding.scene.machine.one(PROJECT, "tool")
    assert box is not None
    box.restarts = 9
    write(overriding, {})
    overriding.settle()
    assert overriding.quarantined == set()
    assert overriding.installed == "v1.1.0"


@pytest.mark.parametrize("schema", [False, True])
def test_a_service_of_the_operators_own_falls_once_users_are_in(
    overriding: Instance, monkeypatch: pytest.MonkeyPatch, *, schema: bool
) -> None:
    """It takes nothing back to which they were let through."""
    write(overriding, {"tool": TOOL})
    assert bring(overriding, "1.1.0").outcome is Outcome.COMMITTED
    falls_in(overriding, "release", monkeypatch)
    assert bring(overriding, "1.2.0", schema=schema).outcome is Outcome.COMMITTED
    assert not is_held(overriding)
    assert is_down(overriding, "tool")


def test_a_service_of_the_operators_own_keeps_nothing_from_being_put_right(
    overriding: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend is gone, and a tool of theirs falls: the backend comes back, without HELD."""
    write(overriding, {"tool": TOOL})
    assert bring(overriding, "1.1.0").outcome is Outcome.COMMITTED
    backend = overriding.scene.machine.one(PROJECT, "backend")
    assert backend is not None
    overriding.scene.machine.remove(backend)
    falls_in(overriding, "gate", monkeypatch)
    ran = overriding.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert is_down(overriding, "tool")
    assert overriding.running == "v1.1.0"
