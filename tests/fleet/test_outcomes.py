"""What came of each release, counted as it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from sqlalchemy import Engine

from koprogo_agent.fleet.domain.instances import Instance, Taken
from koprogo_agent.fleet.domain.outcomes import ARRIVED, Tally, ends_of
from koprogo_agent.fleet.domain.releases import Release, floor, is_below
from koprogo_agent.fleet.store.instances import Change, Store
from koprogo_agent.fleet.store.outcomes import Outcomes
from koprogo_agent.wire.report import Operation, StateName, Transition
from tests.fleet.machines import heard, transition

NOW = 1_795_000_000
TAG = "v1.1.0"


def instance(number: int, *, verified: bool = False) -> Instance:
    """One that has just been heard."""
    return structs.replace(heard(number, NOW), verified=verified)


def ended(number: int, at: int, outcome: str = "committed", kind: str = "update") -> Transition:
    """An operation has ended; one that failed leaves what ran before."""
    operation = Operation(kind=kind, tag=TAG, outcome=outcome, began=at - 60, ended=at)
    if outcome == "committed":
        return transition(number, at=at, operation=operation, installed=TAG)
    failed = replace(operation, step="gate", code="gate.unhealthy")
    return transition(number, at=at, operation=failed)


def change(one: Instance, *told: Transition, before: str | None = "v1.0.0") -> Change:
    """What a report brings that tells of this, newest first, of an instance that is known."""
    taken = Taken(one, told, is_news=True, was_known=True, before=before)
    return Change(one, told, tuple(ends_of(taken)))


def tally(outcome: str, at: int, *, verified: bool = False) -> Tally:
    """What is counted of it."""
    step, code = ("", "") if outcome == ARRIVED else ("gate", "gate.unhealthy")
    return Tally(TAG, outcome, at, step, code, verified)


def of(engine: Engine) -> dict[Tally, int]:
    """What came of the release."""
    return Outcomes(engine).of(TAG)[TAG]


def test_what_came_late_is_counted_together(engine: Engine) -> None:
    """By minutes after an hour, by hours after a day; nothing is lost, however often."""
    published = NOW - NOW % 86_400 - 3 * 86_400
    release, outcomes = Release(TAG, published), Outcomes(engine)
    moments = [3_590, 3_610, 3_650, 86_390, 86_410, 89_990, NOW - published - 30]
    told = [change(instance(n), ended(1, published + after)) for n, after in enumerate(moments)]
    Store(engine).keep(told)
    for _ in range(2):
        outcomes.coarsen(release, NOW)
    counted = {one.at - published: count for one, count in of(engine).items()}
    last = (NOW - 30) - (NOW - 30) % 10 - published
    assert counted == {3_590: 1, 3_600: 2, 86_340: 1, 86_400: 2, last: 1}


def test_the_first_end_of_each_kind_counts(engine: Engine) -> None:
    """Once for each instance, however often it comes to it, and is told of."""
    store, outcomes = Store(engine), Outcomes(engine)
    one, two = instance(1), instance(2, verified=True)
    told = (ended(3, NOW - 5), ended(2, NOW - 15), ended(1, NOW - 25, "rolled_back"))
    store.keep([change(one, *told), change(two, ended(1, NOW - 12))])
    store.keep([change(one, ended(4, NOW), *told)])
    assert of(engine) == {
        tally("rolled_back", NOW - 30): 1,
        tally(ARRIVED, NOW - 20): 1,
        tally(ARRIVED, NOW - 20, verified=True): 1,
    }
    store.keep([change(instance(3), ended(1, NOW - 11))])
    assert of(engine)[tally(ARRIVED, NOW - 20)] == 2
    assert outcomes.since(NOW - 25)[tally(ARRIVED, NOW - 20)] == 2
    assert outcomes.of("v9.9.9", TAG) == {"v9.9.9": {}, TAG: of(engine)}


def test_a_release_has_come_when_it_runs(engine: Engine) -> None:
    """Not when its operation ends, which is only after it was watched for a while."""
    runs = transition(2, at=NOW - 330, installed=TAG, state=StateName.UPDATING)
    begins = transition(1, at=NOW - 360, state=StateName.UPDATING)
    Store(engine).keep([change(instance(1), ended(3, NOW), runs, begins)])
    assert of(engine) == {tally(ARRIVED, NOW - 330): 1}


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("v1.2.0", transition(1, at=NOW, installed=TAG)),
        ("v1.2.0", ended(1, NOW, kind="rollback")),
        (TAG, transition(1, at=NOW, installed=TAG)),
        ("v1.0.0", ended(1, NOW, "postponed")),
    ],
    ids=["back to it", "back by hand", "there already", "put off"],
)
def test_only_what_brings_a_release_counts(engine: Engine, before: str, told: Transition) -> None:
    """Going back to a release is no update to it."""
    Store(engine).keep([change(instance(1), told, before=before)])
    assert of(engine) == {}


def test_of_an_instance_that_is_new_only_what_has_ended_counts() -> None:
    """Since when it has what it runs is not known otherwise."""
    one, told = instance(1), (transition(1, at=NOW, installed=TAG),)
    unknown = Taken(one, told, is_news=True, was_known=False, before=None)
    assert list(ends_of(unknown)) == []
    (end,) = ends_of(structs.replace(unknown, transitions=(ended(1, NOW - 900),)))
    assert end.at == NOW - 900


def test_a_clock_that_is_ahead_is_not_believed(engine: Engine) -> None:
    """It was when it was told, at most."""
    Store(engine).keep([change(instance(1), ended(1, NOW + 900))])
    assert of(engine) == {tally(ARRIVED, NOW): 1}


def test_who_is_erased_stays_counted_and_is_told_apart_nowhere(engine: Engine) -> None:
    """A count is of nobody."""
    store = Store(engine)
    store.keep([change(instance(1), ended(1, NOW))])
    store.erase(instance(1).id)
    assert of(engine) == {tally(ARRIVED, NOW): 1}
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM arrival").scalar_one()
    assert kept == 0


def test_the_floor_is_the_highest_release_that_mended_a_weakness() -> None:
    """By a moment; whoever runs what is not known is not said to be below it."""
    named = [Release("v1.9.0", 10, security=True), Release("v1.10.0", 20, security=True)]
    named.append(Release("v2.0.0", 15))
    assert [floor(named, at) for at in (9, 10, 20)] == [None, "v1.9.0", "v1.10.0"]
    assert is_below("v1.9.9", "v1.10.0")
    assert not any([is_below("v1.10.0", "v1.10.0"), is_below("", "v1.0.0"), is_below("v1", None)])
