"""What PostgreSQL refuses is asked beforehand; what it will not drop blocks nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from koprogo_agent.domain.database import OCCUPIED, OpenTransaction, Slot, Subscription
from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import NeedsOperator, RetryLater
from koprogo_agent.update.preview import preview
from koprogo_agent.update.scratch import AGAIN_AFTER, read_leftovers
from tests.simulation.checks import assert_no_row_lost, assert_nothing_left, assert_serves
from tests.simulation.images import Program
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT
from tests.simulation.postgres import COLLATION
from tests.simulation.releases import services


@pytest.fixture
def daily(folder: Path) -> Instance:
    """An instance that makes daily backups."""
    made = Instance.new(folder, backup={"daily_at": time(3)})
    made.install()
    return made


Meddle = Callable[[Instance], object]


def prepare(instance: Instance) -> None:
    """Somebody prepares a transaction."""
    instance.data.prepared.append("of the bank")


def end_prepared(instance: Instance) -> None:
    """It is ended."""
    instance.data.prepared.clear()


def age(instance: Instance) -> None:
    """The server's image has another version of the collation now."""
    instance.data.collation = "2.31"


def refresh(instance: Instance) -> None:
    """The operator has made the indexes anew."""
    instance.data.collation = COLLATION


def consume(instance: Instance) -> None:
    """A consumer connects to a replication slot."""
    instance.data.slots.append(Slot("reports", active=True))


def stop_consumer(instance: Instance) -> None:
    """It leaves; its slot stays."""
    instance.data.slots[:] = [Slot("reports", active=False)]


def enable(instance: Instance) -> None:
    """A subscription's worker writes."""
    instance.data.subscriptions.append(Subscription("theirs", enabled=True))


def disable(instance: Instance) -> None:
    """It no longer does."""
    instance.data.subscriptions[:] = [Subscription("theirs", enabled=False)]


def open_transaction(instance: Instance) -> None:
    """Somebody has written and gone for lunch."""
    instance.scene.database.transactions = (OpenTransaction(7, "ann from 10.0.0.9", 2000.0),)


def close_transaction(instance: Instance) -> None:
    """And come back."""
    instance.scene.database.transactions = ()


REFUSALS = [
    (prepare, end_prepared, "database.prepared", Outcome.CANCELLED),
    (age, refresh, "database.collation", Outcome.CANCELLED),
    (consume, stop_consumer, "database.slot_active", Outcome.CANCELLED),
    (enable, disable, "database.subscription", Outcome.CANCELLED),
    (open_transaction, close_transaction, "database.long_transaction", Outcome.POSTPONED),
]


@pytest.mark.parametrize(("meddle", "mend", "code", "outcome"), REFUSALS)
def test_refused_before_anything_is_held(
    watched: Instance, meddle: Meddle, mend: Meddle, code: str, outcome: Outcome
) -> None:
    """However often it is tried, no user notices; nobody is blamed; mended, the release comes."""
    watched.scene.publisher.publish("1.1.0", schema=True)
    meddle(watched)
    for _ in range(3):
        watched.tick()
        watched.wait(3600)
    past = watched.journal.past(3)
    assert {one.outcome for one in past} == {outcome}
    assert {one.operation.state.cause.code for one in past if one.operation.state.cause} == {code}
    assert "hold" not in watched.watcher.began
    assert "pull" not in watched.watcher.began
    assert watched.quarantined == set()
    assert watched.scene.users.failed == []
    mend(watched)
    watched.settle()
    assert watched.installed == watched.running == "v1.1.0"


@pytest.mark.parametrize(("meddle", "_mend", "_code", "_outcome"), REFUSALS)
def test_without_a_point_nothing_is_asked(
    instance: Instance, meddle: Meddle, _mend: Meddle, _code: str, _outcome: Outcome
) -> None:
    """A release that changes no schema copies nothing."""
    instance.scene.publisher.publish("1.0.1")
    meddle(instance)
    instance.settle()
    assert instance.installed == "v1.0.1"


def test_a_plan_says_it(instance: Instance) -> None:
    """What would keep the update, and what would be lost if it went back, with what to type."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    prepare(instance)
    instance.data.slots.append(Slot("reports", active=False))
    found = preview(instance.engine, None)
    assert found is not None
    (refusal,) = [one for one in found.notes if "would not begin" in one]
    assert "ROLLBACK PREPARED 'of the bank'" in refusal
    (lost,) = [one for one in found.notes if "is lost if" in one]
    assert "reports" in lost


def test_a_restore_is_refused_before_anything_is_held(watched: Instance) -> None:
    """A backup takes the place of the database by the same exchange."""
    dump = watched.engine.backups.by_hand()
    prepare(watched)
    with pytest.raises(NeedsOperator) as raised:
        watched.requests.restore(dump.path.name)
    assert raised.value.code == "database.prepared"
    assert watched.watcher.began == []
    assert watched.scene.users.failed == []


def test_it_comes_after_the_question(watched: Instance) -> None:
    """Between question and copy: taken back once, never blamed, and not held a second time."""
    watched.scene.publisher.publish("1.1.0", schema=True)

    def each() -> None:
        began = watched.watcher.began
        if began and began[-1] == "point" and not watched.data.prepared:
            prepare(watched)
        watched.scene.users.write()

    watched.taps.each = watched.scene.machine.busy = each
    for _ in range(4):
        watched.tick()
        watched.wait(3600)
    past = reversed(watched.journal.past(4))
    failed = [one.operation.state.failed for one in past]
    assert failed == [Step.POINT, *[Step.BUDGET] * 3]
    assert watched.quarantined == set()
    assert watched.running == "v1.0.0"
    assert_no_row_lost(watched)


def test_another_major_version(watched: Instance) -> None:
    """A release that brings it would not start on the data: it is blamed, and nobody notices."""
    scene = watched.scene
    scene.registry.publish("postgres", "16", Program("postgres", major=16))
    scene.publisher.more = {"postgres": {**services({})["postgres"], "image": "postgres:16"}}
    ids = watched.ids
    scene.publisher.publish("1.0.1")
    watched.tick()
    (past,) = watched.journal.past(1)
    assert past.outcome is Outcome.CANCELLED
    assert past.operation.state.cause
    assert past.operation.state.cause.code == "database.major"
    assert watched.quarantined == {"v1.0.1"}
    assert watched.ids == ids
    assert scene.users.failed == []


def test_an_image_without_an_extension(watched: Instance) -> None:
    """The operator has installed it: the release is not blamed."""
    scene = watched.scene
    scene.machine.servers[PROJECT].extensions = ("plpgsql", "postgis")
    scene.registry.publish("postgres", "15.9", Program("postgres", start_seconds=2))
    scene.publisher.more = {"postgres": {**services({})["postgres"], "image": "postgres:15.9"}}
    scene.publisher.publish("1.0.1")
    watched.tick()
    (past,) = watched.journal.past(1)
    assert past.operation.state.cause
    assert past.operation.state.cause.code == "database.extension"
    assert watched.quarantined == set()
    scene.machine.servers[PROJECT].extensions = ("plpgsql",)
    watched.settle()
    assert watched.installed == "v1.0.1"


def leave(instance: Instance) -> str:
    """A release fails after its point was made, and a subscription lives in what it leaves."""
    instance.data.subscriptions.append(Subscription("theirs", enabled=False))
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    instance.settle()
    assert instance.installed == instance.running == "v1.0.0"
    (name,) = read_leftovers(instance.journal)
    return name


def told(instance: Instance) -> list[str]:
    """What was told of copies that cannot be removed."""
    return [body for title, body in instance.scene.notifier.told if "cannot be removed" in title]


def test_a_leftover_blocks_nothing(daily: Instance) -> None:
    """Daily backups and updates go on; it is told once, and dropped when it can be."""
    instance = daily
    name = leave(instance)
    (said,) = told(instance)
    assert "the subscription theirs lives in it" in said
    assert "DROP SUBSCRIPTION theirs" in said
    assert read_leftovers(instance.journal)[name].failure.code == OCCUPIED
    assert [one for one in instance.scene.disk.backups() if one.label.startswith("daily-")]
    instance.scene.publisher.publish("1.2.0", schema=True)
    instance.wait(2 * AGAIN_AFTER.total_seconds())
    instance.settle()
    assert instance.installed == "v1.2.0"
    assert len(told(instance)) == 1
    assert instance.errors == []
    databases = instance.scene.machine.servers[PROJECT].databases
    assert set(databases) == {name, "koprogo"}
    databases[name].subscriptions.clear()
    instance.wait(AGAIN_AFTER.total_seconds())
    instance.tick()
    assert read_leftovers(instance.journal) == {}
    assert_nothing_left(instance)
    assert_serves(instance)


def test_a_leftover_is_tried_seldom(instance: Instance) -> None:
    """Not at each tick."""
    leave(instance)
    names = instance.taps.names
    del names[:]
    for _ in range(10):
        instance.tick()
        instance.wait(180)
    assert names.count("database.drop before") == 0


def test_a_daily_backup_while_the_source_is_away(daily: Instance) -> None:
    """Each duty of a tick fails alone."""
    instance = daily
    before = len(instance.scene.disk.backups())
    instance.scene.origin.failure = RetryLater("no network", code="source.unreachable")
    instance.wait(24 * 3600)
    instance.tick()
    assert len(instance.scene.disk.backups()) == before + 1
