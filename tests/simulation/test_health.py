"""Health for ever: an instance that is down says so, whatever the agent is doing otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.domain.condition import Condition
from koprogo_agent.domain.gate import FaultKind, Health
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Session
from koprogo_agent.update.standing import HeldBy
from koprogo_agent.update.status import read_status
from tests.simulation.box import Box
from tests.simulation.checks import assert_no_row_lost, assert_serves, is_held
from tests.simulation.instance import TICK, Instance
from tests.simulation.people import PROJECT

DOWN, UP = "KoproGo is down", "KoproGo is up again"


def reporting(folder: Path) -> Instance:
    """An instance whose agent only reports what differs."""
    made = Instance.new(folder, policy={"drift": "report"})
    made.install()
    return made


def condition(instance: Instance) -> Condition:
    """The condition as the journal has it."""
    found = instance.engine.standing.condition
    assert found is not None
    return found


def told(instance: Instance, title: str) -> list[str]:
    """What the operator was told under a title."""
    return [body for one, body in instance.scene.notifier.told if one == title]


def stop(instance: Instance, *services: str) -> None:
    """Somebody stops containers by hand."""
    for box in instance.scene.machine.of(PROJECT, services):
        instance.scene.machine.stop(box)


def start(instance: Instance, *services: str) -> None:
    """Somebody starts them again."""
    for box in instance.scene.machine.of(PROJECT, services):
        instance.scene.machine.start(box)


def ticks(instance: Instance, count: int = 1) -> None:
    """Ticks, three minutes apart."""
    for _ in range(count):
        instance.wait(TICK)
        instance.tick()


def first_line(instance: Instance) -> str:
    """What the daemon's status line says."""
    now = instance.scene.clock.now()
    return read_status(instance.journal, instance.settings, now).summary


def test_a_healthy_stack_is_up(instance: Instance) -> None:
    """And what was asked is said."""
    ticks(instance)
    found = condition(instance)
    assert not found.is_down
    assert found.asked == "containers, the application (health), the ingress (health)"
    assert not told(instance, DOWN) + told(instance, UP)


def test_without_a_public_probe_it_says_that_the_ingress_was_not_asked(instance: Instance) -> None:
    """Silence must not be taken for an answer."""
    instance.settings = instance.settings.model_copy(update={"probe": ()})
    instance.restart()
    ticks(instance)
    assert condition(instance).asked == (
        "containers; the ingress was not asked: no probe has a url"
    )


def test_a_stopped_backend_is_down_and_recovers(folder: Path) -> None:
    """Once when it goes down, once when it recovers, with how long it took."""
    made = reporting(folder)
    stop(made, "backend")
    ticks(made, 4)
    found = condition(made)
    assert found.is_down
    assert found.reason == "backend is exited (exit code 0)"
    assert found.code == FaultKind.NOT_RUNNING
    assert len(told(made, DOWN)) == 1
    assert first_line(made).startswith("DOWN since ")
    assert "up to date" not in first_line(made)
    start(made, "backend")
    ticks(made, 2)
    assert not condition(made).is_down
    (body,) = told(made, UP)
    assert body.startswith("it was down for 12 minutes, since ")
    names = [one.name for one in made.journal.events(50)]
    assert (names.count("stack.down"), names.count("stack.up")) == (1, 1)


def test_an_ingress_that_answers_404_is_down(instance: Instance) -> None:
    """Every container is healthy, and no user gets in."""
    instance.scene.prober.ingress = "answered 404, expected 200"
    ticks(instance, 2)
    found = condition(instance)
    assert found.reason == "health through the ingress: answered 404, expected 200"
    assert found.code == FaultKind.PROBE
    instance.scene.prober.ingress = None
    ticks(instance)
    assert not condition(instance).is_down
    assert (len(told(instance, DOWN)), len(told(instance, UP))) == (1, 1)


def test_one_slow_answer_is_no_alarm(instance: Instance) -> None:
    """The condition changes only when each of several looks agrees."""

    def once(_seconds: float, wait: object = instance.scene.clock.moves) -> None:
        instance.scene.prober.ingress = None
        assert callable(wait)
        wait(_seconds)

    instance.wait(TICK)
    instance.scene.prober.ingress = "no whole answer within 5 s"
    instance.scene.clock.moves = once
    instance.tick()
    assert not condition(instance).is_down
    assert not told(instance, DOWN)


def test_a_database_that_refuses_is_down(folder: Path) -> None:
    """KoproGo's own health check answers without asking the database."""
    made = reporting(folder)
    stop(made, "postgres")
    ticks(made)
    assert condition(made).service == "postgres"
    assert condition(made).is_down


def test_a_database_without_a_free_connection_is_not_down(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application may hold them all, and serve; the engine asks nothing of this database."""
    monkeypatch.setattr(Box, "health", lambda *_: Health.NONE)
    instance.scene.database.held = (Session("koprogo", "koprogo_db", "10.0.0.5", "idle"),)
    ticks(instance, 2)
    assert not condition(instance).is_down
    assert not told(instance, DOWN)


def test_a_restart_loop_is_down(instance: Instance) -> None:
    """Also where each look comes while the container just runs."""
    box = instance.scene.machine.one(PROJECT, "frontend")
    assert box is not None
    for _ in range(3):
        box.restarts += 1
        ticks(instance)
    found = condition(instance)
    assert found.reason == "frontend restarts again and again"
    ticks(instance)
    assert not condition(instance).is_down


def test_a_service_that_starts_is_not_down(instance: Instance) -> None:
    """After a reboot, health checks have a start period."""
    instance.wait(TICK)
    box = instance.scene.machine.one(PROJECT, "backend")
    assert box is not None
    instance.scene.machine.stop(box)
    instance.scene.machine.start(box)
    instance.tick()
    assert not told(instance, DOWN)
    assert not condition(instance).is_down


@pytest.mark.parametrize("by_hand", [True, False], ids=["held by hand", "quarantined"])
def test_it_is_judged_whatever_the_agent_may_do(folder: Path, *, by_hand: bool) -> None:
    """Held or not, and with a release in quarantine."""
    made = reporting(folder)
    if by_hand:
        made.requests.hold("a holiday")
    else:
        made.scene.publisher.publish("1.1.0", backend={"exits": "at start"})
        made.settle()
        assert made.quarantined == {"v1.1.0"}
    stop(made, "frontend")
    ticks(made)
    assert first_line(made).startswith("DOWN since ")


def test_it_is_judged_while_the_source_is_away(folder: Path) -> None:
    """A tick that fails ends with a look all the same."""
    made = reporting(folder)
    stop(made, "frontend")
    made.scene.origin.failure = RetryLater("no route", code="source.unreachable")
    ticks(made)
    assert condition(made).is_down


def test_what_takes_the_stack_down_is_repaired(instance: Instance) -> None:
    """By default; in the tick that finds it."""
    ids = instance.ids
    stop(instance, "backend")
    ticks(instance)
    assert instance.ids == ids
    assert_serves(instance)
    assert not condition(instance).is_down
    assert (len(told(instance, DOWN)), len(told(instance, UP))) == (1, 1)


def test_it_is_repaired_while_the_source_is_away(instance: Instance) -> None:
    """Users do not care whether a poll succeeds."""
    instance.scene.origin.failure = RetryLater("no route", code="source.unreachable")
    stop(instance, "backend")
    ticks(instance)
    assert_serves(instance)
    assert not condition(instance).is_down


def test_a_stack_that_was_stopped_as_a_whole_is_left_alone(instance: Instance) -> None:
    """Somebody moves it to another machine, perhaps: it is said, and not started."""
    stop(instance, *instance.ids)
    ticks(instance, 2)
    assert instance.running is None
    assert condition(instance).is_down


def by_hand(instance: Instance, tag: str) -> None:
    """`docker compose up -d` with an IMAGE_TAG, as the old updater does."""
    instance.bring_up_by_hand(tag)


def test_an_older_version_by_hand_is_named_and_healed(instance: Instance) -> None:
    """After a migration it can never start: the tick says what it is, and puts it right."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    by_hand(instance, "v1.0.0")
    assert instance.running is None
    ticks(instance)
    assert_serves(instance)
    assert instance.installed == "v1.1.0"
    (body,) = told(instance, "KoproGo: the stack was changed")
    assert body.startswith(
        "the stack was started by hand with an older version (v1.0.0) on the newer schema\n"
    )
    assert instance.engine.standing.drift is None
    assert_no_row_lost(instance)


def test_with_report_it_is_said_in_the_first_line(folder: Path) -> None:
    """And left as it is."""
    made = reporting(folder)
    made.scene.publisher.publish("1.1.0", schema=True)
    made.settle()
    by_hand(made, "v1.0.0")
    ticks(made)
    line = first_line(made)
    assert line.startswith("DOWN since ")
    assert "started by hand with an older version (v1.0.0) on the newer schema" in line
    assert "VersionMissing" in line
    assert made.running is None


def test_agent_and_old_updater_do_not_fight_for_ever(instance: Instance) -> None:
    """Three heals an hour; then a person is asked, and the likely cause is named."""
    instance.scene.publisher.publish("1.1.0")
    instance.settle()
    for _ in range(5):
        by_hand(instance, "v1.0.0")
        ticks(instance)
    assert is_held(instance)
    held = instance.engine.standing.held
    assert held is not None
    assert held.by is HeldBy.AGENT
    assert "an older version (v1.0.0)" in held.reason
    assert "koprogo-gitops.service" in held.advice
    heals = [one for one in instance.journal.past(50) if one.operation.kind == "heal"]
    assert len(heals) == 3
    assert instance.requests.resume()
    instance.wait(3600)
    ticks(instance)
    assert_serves(instance)


def test_an_unknown_image_is_reported_only(instance: Instance) -> None:
    """It may have changed the schema: the installed release might not start on it."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    instance.scene.publisher.publish("2.0.0", schema=True)
    instance.requests.hold("not yet")
    by_hand(instance, "v2.0.0")
    instance.engine.standing.resume(instance.scene.clock.now())
    instance.settings = instance.settings.model_copy(
        update={"policy": instance.settings.policy.model_copy(update={"automatic": False})}
    )
    instance.restart()
    ticks(instance)
    assert instance.running == "v2.0.0"
    drift = instance.engine.standing.drift
    assert drift is not None
    assert not drift.older
