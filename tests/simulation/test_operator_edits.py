"""The operator edits their own files between two operations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.preview import preview
from tests.simulation.checks import (
    assert_ids_kept,
    assert_no_row_lost,
    assert_sound,
    is_held,
)
from tests.simulation.faults import KINDS
from tests.simulation.instance import TICK, Instance
from tests.simulation.operators import (
    BROKEN,
    CRASHING,
    OVERRIDE,
    TOOL,
    assert_well,
    bring,
    profile,
    write,
)
from tests.simulation.people import PROJECT


@pytest.mark.parametrize("schema", [False, True])
def test_a_service_comes_and_goes_with_an_override_file(
    overriding: Instance, *, schema: bool
) -> None:
    """It is brought by the next release, kept by those after it, and dropped when taken out."""
    ids = overriding.ids
    write(overriding, {"tool": TOOL})
    assert bring(overriding, "1.1.0", schema=schema).outcome is Outcome.COMMITTED
    made = overriding.ids["tool"]
    assert bring(overriding, "1.2.0").outcome is Outcome.COMMITTED
    assert overriding.ids["tool"] == made
    assert_well(overriding)
    write(overriding, {})
    assert bring(overriding, "1.3.0", schema=schema).outcome is Outcome.COMMITTED
    assert "tool" not in overriding.ids
    assert_well(overriding)
    assert_sound(overriding, ids)


@pytest.mark.parametrize("schema", [False, True])
@pytest.mark.parametrize("first", ["", "debug"])
@pytest.mark.parametrize("then", ["", "debug"])
def test_a_profile_is_switched_before_a_release_that_fails(
    instance: Instance, first: str, then: str, *, schema: bool
) -> None:
    """The way back ends on the release before, with the services for which the files ask now."""
    instance.scene.publisher.more = {"debug": {**TOOL, "profiles": ["debug"]}}
    ids = instance.ids
    profile(instance, first)
    assert bring(instance, "1.1.0").outcome is Outcome.COMMITTED
    assert ("debug" in instance.ids) is bool(first)
    profile(instance, then)
    ran = bring(instance, "1.2.0", backend=BROKEN, schema=schema)
    assert ran.outcome in {Outcome.ROLLED_BACK, Outcome.CANCELLED}
    assert instance.quarantined == {"v1.2.0"}
    assert_well(instance)
    assert bring(instance, "1.3.0").outcome is Outcome.COMMITTED
    assert ("debug" in instance.ids) is bool(then)
    assert_well(instance)
    assert_sound(instance, ids)


def test_a_service_that_is_gone_for_good_is_not_missed(overriding: Instance) -> None:
    """The operator takes it out of the file and removes its container: nothing is down."""
    write(overriding, {"tool": TOOL})
    assert bring(overriding, "1.0.1").outcome is Outcome.COMMITTED
    box = overriding.scene.machine.one(PROJECT, "tool")
    assert box is not None
    overriding.scene.machine.remove(box)
    condition = overriding.engine.health.examine()
    assert condition is not None
    assert condition.reason == "tool has no container"
    write(overriding, {})
    overriding.engine.health.examine()
    assert_well(overriding)


def test_going_back_by_hand_keeps_what_the_operator_has_added(overriding: Instance) -> None:
    """The release before did not have it, but the operator's files ask for it."""
    write(overriding, {"tool": TOOL})
    assert bring(overriding, "1.0.1").outcome is Outcome.COMMITTED
    made = overriding.ids["tool"]
    write(overriding, {"tool": TOOL, "other": TOOL})
    assert overriding.requests.rollback().outcome is Outcome.COMMITTED
    assert overriding.installed == "v1.0.0"
    assert overriding.ids["tool"] == made
    installed = overriding.journal.installed
    assert installed is not None
    assert {"tool", "other"} <= installed.pins.keys() & overriding.ids.keys()
    assert_well(overriding)


def test_a_broken_service_of_the_operators_own_blames_no_release(overriding: Instance) -> None:
    """However often it is tried: it is no fault of the release, and the way back is possible."""
    write(overriding, {"tool": {**TOOL, "image": "crashing:1"}})
    overriding.scene.registry.publish("crashing", "1", CRASHING)
    assert bring(overriding, "1.0.1").outcome is Outcome.ROLLED_BACK
    for _ in range(4):
        overriding.wait(3700)
        overriding.tick()
    assert overriding.quarantined == set()
    assert not is_held(overriding)
    assert overriding.installed == overriding.running == "v1.0.0"
    write(overriding, {})
    ran = overriding.requests.update(None)
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert overriding.installed == overriding.running == "v1.0.1"
    assert "tool" not in overriding.ids


@pytest.mark.parametrize(
    ("at", "schema"),
    [
        ("files.lay before", False),
        ("stack.up before", False),
        ("rooms.open before", False),
        ("files.lay before", True),
        ("stack.up before", True),
        ("rooms.open before", True),
    ],
)
@pytest.mark.parametrize("seconds", [5, 400])
def test_an_env_file_is_away_while_users_wait(
    instance: Instance, at: str, seconds: int, *, schema: bool
) -> None:
    """The agent waits for it, and ends on one release or the other by itself; none is blamed."""
    ids, file, clock = instance.ids, instance.settings.stack.env_files[0], instance.scene.clock
    kept, since = file.read_text(), [0.0]
    each = instance.taps.each

    def strike() -> None:
        if each is not None:
            each()
        if instance.taps.names[-1:] == [at] and not since[0]:
            since[0] = clock.seconds
            file.unlink()
        if since[0] and not file.exists() and clock.seconds - since[0] > seconds:
            file.write_text(kept)

    instance.taps.each = strike
    instance.scene.publisher.publish("1.1.0", schema=schema)
    instance.tick()
    clock.wait(seconds)
    instance.settle()
    instance.taps.each = each
    assert since[0]
    assert file.exists()
    assert not is_held(instance)
    assert instance.quarantined == set()
    assert instance.installed == instance.running == "v1.1.0"
    assert_sound(instance, ids)


@pytest.mark.parametrize("schema", [False, True])
def test_an_env_file_that_is_away_on_the_way_back_asks_for_no_visit(
    instance: Instance, *, schema: bool
) -> None:
    """The operator is told once; as soon as the file is there again, the way back goes on."""
    ids, file = instance.ids, instance.settings.stack.env_files[0]
    kept, began = file.read_text(), instance.watcher.began
    each = instance.taps.each

    def strike() -> None:
        if each is not None:
            each()
        if began[-1:] == ["undo switch"] and file.exists():
            file.unlink()

    instance.taps.each = strike
    instance.scene.publisher.publish("1.1.0", backend=BROKEN, schema=schema)
    instance.tick()
    for _ in range(5):
        instance.wait(TICK)
        instance.tick()
    assert not is_held(instance)
    assert [title for title, _ in instance.scene.notifier.told].count(
        "KoproGo: a file of yours is missing"
    ) == 1
    instance.taps.each = each
    file.write_text(kept)
    instance.settle()
    assert instance.quarantined == {"v1.1.0"}
    assert_sound(instance, ids)


def test_a_stack_that_falls_while_the_env_file_is_away_is_put_right_later(
    instance: Instance,
) -> None:
    """However long that takes, it asks for no visit."""
    file = instance.settings.stack.env_files[0]
    kept = file.read_text()
    file.unlink()
    box = instance.scene.machine.one(PROJECT, "backend")
    assert box is not None
    instance.scene.machine.remove(box)
    for _ in range(6):
        instance.tick()
        instance.wait(TICK)
    assert not is_held(instance)
    assert instance.running is None
    file.write_text(kept)
    instance.settle()
    assert_well(instance)


@pytest.mark.parametrize("at", ["images.pull before", "stack.up before", "rooms.close after"])
def test_a_fault_of_the_agents_own_blames_no_release(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The operation goes back; one sentence says so; the release is tried again, not at once."""
    ids = instance.ids
    monkeypatch.setitem(KINDS, "bug", lambda: KeyError("debug"))
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.taps.named = {at: "bug"}

    each = instance.taps.each

    def mend() -> None:
        if each is not None:
            each()
        if instance.watcher.failures:
            instance.taps.named = {}

    instance.taps.each = mend
    instance.tick()
    instance.taps.each = each
    (_, failure), *_ = instance.watcher.failures
    assert (failure.kind, failure.code) == ("NeedsOperator", "agent.bug")
    assert "KeyError" in failure.message
    assert "Traceback" not in failure.message
    assert "journalctl" in failure.advice
    assert instance.quarantined == set()
    assert instance.installed == instance.running == "v1.0.0"
    assert_no_row_lost(instance)
    assert_ids_kept(instance, ids)
    instance.settle(most=700)
    assert instance.installed == instance.running == "v1.1.0"


def _no_room_to_render(name: str) -> None:
    if name == "stack.render":
        raise NeedsOperator("the disk is full", code="disk.full")


def test_after_resume_a_watched_release_is_looked_at_again(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was on its way back for no fault of its own, and could not get there."""
    ids = instance.ids
    instance.scene.publisher.publish("1.0.1")
    ran = instance.act(instance.engine.tick)
    assert ran is not None
    assert ran.watches
    monkeypatch.setattr(instance.taps, "look", _no_room_to_render)
    instance.act(instance.engine.finish)
    monkeypatch.undo()
    assert is_held(instance)
    assert instance.quarantined == set()
    instance.requests.resume()
    instance.settle()
    assert instance.installed == instance.running == "v1.0.1"
    assert_sound(instance, ids)


def test_what_else_runs_in_the_project_is_not_adopted(folder: Path) -> None:
    """Containers from another file of the operator's are never changed, missed or removed."""
    instance = Instance.new(folder)
    instance.scene.publisher.publish("1.0.0")
    instance.bring_up_by_hand("v1.0.0")
    scene = instance.scene
    pulled = scene.images.pull("storage:1", lambda _: None)
    program = scene.images.program("storage:1")
    assert pulled
    assert program is not None
    spec = {**TOOL, "hash": "theirs"}
    box = scene.machine.make(PROJECT, "theirs", program, spec)
    scene.machine.start(box)
    assert bring(instance, "1.1.0").outcome is Outcome.COMMITTED
    instance.settle()
    assert instance.ids["theirs"] == box.id
    scene.machine.remove(box)
    assert_well(instance)


def test_a_secret_of_swarm_is_refused(overriding: Instance) -> None:
    """Before anything is held; who wrote it is told."""
    secret = {"secrets": [{"source": "token"}]}
    own = {"services": {"tool": {**TOOL, **secret}}, "secrets": {"token": {"external": True}}}
    overriding.scene.disk.texts[OVERRIDE] = json.dumps(own).encode()
    assert bring(overriding, "1.0.1").outcome is Outcome.CANCELLED
    _, failure = overriding.watcher.failures[-1]
    assert (failure.kind, failure.code) == ("NeedsOperator", "stage.unsupported")
    assert "the secret token is external" in failure.message
    assert overriding.quarantined == set()


def test_a_plan_names_a_broken_override_file(overriding: Instance) -> None:
    """It is the operator's to mend, and the message says so."""
    overriding.scene.publisher.publish("1.0.1")
    overriding.scene.disk.texts[OVERRIDE] = b"services: ["
    with pytest.raises(NeedsOperator) as raised:
        preview(overriding.engine, None)
    assert raised.value.code == "compose.operator_files"
    assert "koprogo-agent doctor" in raised.value.advice


def test_a_service_without_an_image_is_named(overriding: Instance) -> None:
    """The operator's own is theirs; a release's is the release's fault."""
    write(overriding, {"tool": {"build": {"context": "."}}})
    assert bring(overriding, "1.0.1").outcome is Outcome.CANCELLED
    _, failure = overriding.watcher.failures[-1]
    assert (failure.kind, failure.code) == ("NeedsOperator", "stage.no_image_named")
    assert "tool" in failure.message
    assert overriding.quarantined == set()
    write(overriding, {})
    overriding.scene.publisher.more = {"tool": {"restart": "no", "build": {"context": "."}}}
    assert bring(overriding, "1.0.2").outcome is Outcome.CANCELLED
    assert overriding.quarantined == {"v1.0.2"}
