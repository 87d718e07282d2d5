"""What the fleet would hear of an instance, and what of it is news."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from koprogo_agent.reporting.news import Known, known, news
from koprogo_agent.reporting.outbox import KEPT, Outbox
from koprogo_agent.reporting.snapshot import Snapshot, read_snapshot
from koprogo_agent.update.standing import Held, HeldBy
from koprogo_agent.wire.report import Operation, StateName, Transition
from tests.simulation.instance import Instance

AGENT = "0.1.0"


def snapshot(instance: Instance) -> Snapshot:
    """How it stands now."""
    return read_snapshot(instance.journal, instance.settings, instance.scene.clock.now())


def told(instance: Instance, before: Known | None) -> list[Transition]:
    """What is news."""
    return list(news(snapshot(instance), AGENT, before))


def operation(transition: Transition) -> Operation:
    """The operation that has ended there."""
    assert transition.operation is not None
    return transition.operation


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """One that is empty."""
    return Outbox(tmp_path / "state/reports.db")


def test_an_empty_machine_says_so(folder: Path) -> None:
    """It has nothing else to say."""
    here = snapshot(Instance.new(folder))
    assert (here.state, here.installed, here.digest) == (StateName.EMPTY, None, None)
    assert (here.operations, here.pending, here.polled) == ((), None, None)


def test_what_is_installed_is_told_with_what_was_verified(instance: Instance) -> None:
    """And when it was first seen, begun and done: the fleet measures how fast patches arrive."""
    here = snapshot(instance)
    assert (here.state, here.installed) == (StateName.CURRENT, "v1.0.0")
    assert instance.journal.installed is not None
    assert here.digest == instance.journal.installed.fingerprint
    ((_, last),) = here.operations
    assert (last.kind, last.tag, last.outcome) == ("install", "v1.0.0", "committed")
    assert last.seen is not None
    assert last.seen <= last.began <= last.ended
    assert here.polled is not None


def test_a_release_that_failed_is_told_with_step_and_code(instance: Instance) -> None:
    """Staff see why it is not updated, in the words that its owner sees."""
    before = known(snapshot(instance), AGENT)
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "at start"})
    instance.settle()
    here = snapshot(instance)
    assert here.pending is not None
    assert (here.pending.tag, here.pending.gate) == ("v1.1.0", "quarantine")
    assert (here.pending.step, here.pending.code) == ("rehearse", "rehearsal.failed")
    (only,) = told(instance, before)
    assert (operation(only).outcome, operation(only).step) == ("cancelled", "rehearse")
    assert (only.state, only.installed) == (StateName.CURRENT, "v1.0.0")


def test_a_rollback_is_a_state_of_its_own(instance: Instance) -> None:
    """It is not just an old version."""
    before = known(snapshot(instance), AGENT)
    instance.scene.publisher.publish("1.1.0", backend={"exits": "in production"})
    instance.settle()
    (only,) = told(instance, before)
    assert (only.state, only.installed) == (StateName.ROLLED_BACK, "v1.0.0")
    assert (operation(only).tag, operation(only).outcome) == ("v1.1.0", "rolled_back")


def test_whose_word_it_is_that_nothing_changes(instance: Instance) -> None:
    """The operator's or the agent's own; but not the reason, which may name the machine."""
    before = known(snapshot(instance), AGENT)
    now = instance.scene.clock.now()
    instance.engine.standing.hold(Held(HeldBy.OPERATOR, "moving vps12.example.org", "", now))
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    (only,) = told(instance, before)
    assert (only.state, only.operation) == (StateName.PAUSED, None)
    assert snapshot(instance).pending is not None
    assert "vps12" not in str(snapshot(instance))


def test_of_the_past_only_the_last_operation_is_told(instance: Instance) -> None:
    """Whoever begins to report did not report before."""
    for version in ("1.0.1", "1.0.2"):
        instance.scene.publisher.publish(version)
        instance.settle()
    (only,) = told(instance, None)
    assert operation(only).tag == "v1.0.2"


def test_each_operation_since_is_told_once(instance: Instance, outbox: Outbox) -> None:
    """Also those that somebody typed while nobody reported."""
    assert outbox.note(snapshot(instance), AGENT)
    for version in ("1.0.1", "1.0.2"):
        instance.scene.publisher.publish(version)
        instance.settle()
    assert outbox.note(snapshot(instance), AGENT)
    assert not outbox.note(snapshot(instance), AGENT)
    tags = [operation(one).tag for one in outbox.waiting()]
    assert tags == ["v1.0.2", "v1.0.1", "v1.0.0"]
    assert [one.installed for one in outbox.waiting()] == tags


def test_what_failed_in_between_left_what_was_there(instance: Instance) -> None:
    """Of several operations in one look each is told with what ran after it, not with the end."""
    before = known(snapshot(instance), AGENT)
    instance.scene.publisher.publish("1.0.1", backend={"exits": "in production"})
    instance.settle()
    instance.scene.publisher.publish("1.0.2")
    instance.settle()
    ended = [(operation(one).outcome, one.installed) for one in told(instance, before)]
    assert ended == [("rolled_back", "v1.0.0"), ("committed", "v1.0.2")]


def test_another_version_of_the_agent_is_news(instance: Instance) -> None:
    """Staff see how the agent itself spreads."""
    here = snapshot(instance)
    (only,) = news(here, "0.2.0", known(here, AGENT))
    assert (only.agent, only.operation) == ("0.2.0", None)


def test_a_journal_that_was_made_anew_brings_no_old_news(instance: Instance) -> None:
    """Its operations are counted from the beginning again."""
    here = snapshot(instance)
    assert not list(news(here, AGENT, known(here, AGENT)))
    before = replace(known(here, AGENT), operation=40)
    (only,) = news(here, AGENT, before)
    assert only.operation is None


def test_what_is_acknowledged_is_told_no_more(instance: Instance, outbox: Outbox) -> None:
    """By its number, and no other."""
    outbox.note(snapshot(instance), AGENT)
    outbox.note(snapshot(instance), "0.2.0")
    newest, oldest = outbox.waiting()
    assert newest.number == oldest.number + 1
    outbox.acknowledge([newest.number, 12345])
    assert outbox.waiting() == (oldest,)


def test_there_is_an_end_to_what_is_kept(instance: Instance, outbox: Outbox) -> None:
    """A fleet that is away for years fills no disk; the newest is what matters."""
    here = snapshot(instance)
    for number in range(KEPT + 20):
        outbox.note(here, f"0.1.{number}")
    kept = outbox.waiting()
    assert len(kept) == KEPT
    assert kept[0].agent == f"0.1.{KEPT + 19}"
    assert all(a.number == b.number + 1 for a, b in pairwise(kept))


@pytest.mark.parametrize("damage", ["", "SQLite format 3\0", "nothing of the kind" * 500])
def test_a_file_that_is_broken_is_made_anew(
    instance: Instance, outbox: Outbox, tmp_path: Path, damage: str
) -> None:
    """With higher numbers than it ever had: the fleet takes none for one that it knows."""
    outbox.note(snapshot(instance), AGENT)
    outbox.begin_run()
    (before,), sequence = outbox.waiting(), outbox.next_sequence()
    file = tmp_path / "state/reports.db"
    for one in tmp_path.glob("state/reports.db-*"):
        one.unlink()
    file.write_text(damage)
    assert outbox.note(snapshot(instance), AGENT)
    (after,) = outbox.waiting()
    assert after.number >= before.number
    assert outbox.next_sequence() >= sequence
    assert outbox.run


def test_numbers_of_reports_rise(outbox: Outbox) -> None:
    """Also beyond what the fleet says that it has taken."""
    first = outbox.next_sequence()
    assert outbox.next_sequence() == first + 1
    outbox.raise_sequence(first + 100)
    assert outbox.next_sequence() == first + 101
    outbox.raise_sequence(5)
    assert outbox.next_sequence() == first + 102


def test_a_run_is_shared_by_all_who_speak_for_it(outbox: Outbox) -> None:
    """A verb that is typed is not taken for a second machine."""
    run = outbox.run
    assert outbox.run == run
    outbox.begin_run()
    assert outbox.run != run


def test_a_stack_that_is_down_is_news_beside_the_state(folder: Path, outbox: Outbox) -> None:
    """Older servers know no such state: what the agent does is said as before."""
    instance = Instance.new(folder, policy={"drift": "report"})
    instance.install()
    before = known(snapshot(instance), AGENT)
    outbox.note(snapshot(instance), AGENT)
    (box,) = instance.scene.machine.of("koprogo", ("backend",))
    instance.scene.machine.stop(box)
    instance.tick()
    here = snapshot(instance)
    assert (here.state, here.fault) == (StateName.CURRENT, "container.stopped")
    (down,) = told(instance, before)
    assert down.state is StateName.CURRENT
    assert down.down is not None
    assert outbox.note(here, AGENT)
    assert not outbox.note(here, AGENT)
    instance.scene.machine.start(box)
    instance.wait(60)
    instance.tick()
    (up,) = told(instance, known(here, AGENT))
    assert (up.down, snapshot(instance).fault) == (None, None)
