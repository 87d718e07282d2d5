"""What came of each release, counted as it is told."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from koprogo_agent.fleet.instances import Instance
from koprogo_agent.fleet.outcomes import Outcomes, Tally
from koprogo_agent.fleet.releases import Release, floor, is_below
from koprogo_agent.fleet.store import Change, Store
from koprogo_agent.wire.report import Operation, Transition
from tests.fleet.machines import heard, transition

NOW = 1_795_000_000


def instance(number: int, *, verified: bool = False) -> Instance:
    """One that has just been heard."""
    return replace(heard(number, NOW), verified=verified)


def ended(number: int, at: int, outcome: str = "committed", kind: str = "update") -> Transition:
    """An operation has ended."""
    operation = Operation(kind=kind, tag="v1.1.0", outcome=outcome, began=at - 60, ended=at)
    if outcome != "committed":
        operation = replace(operation, step="gate", code="gate.unhealthy")
    return transition(number, at=at, operation=operation)


def tally(outcome: str, at: int, *, verified: bool = False) -> Tally:
    """What is counted of it."""
    step, code = ("", "") if outcome == "committed" else ("gate", "gate.unhealthy")
    return Tally("v1.1.0", outcome, at, step, code, verified)


def of(engine: Engine) -> dict[Tally, int]:
    """What came of the release."""
    return Outcomes(engine).of("v1.1.0")["v1.1.0"]


def test_what_came_late_is_counted_together(engine: Engine) -> None:
    """By minutes after an hour, by hours after a day; nothing is lost, however often."""
    published = NOW - NOW % 86_400 - 3 * 86_400
    release, outcomes = Release("v1.1.0", published), Outcomes(engine)
    moments = [3_590, 3_610, 3_650, 86_390, 86_410, 89_990, NOW - published - 30]
    ends = [(instance(n), ended(1, published + after)) for n, after in enumerate(moments)]
    Store(engine).keep([Change(one, (end,)) for one, end in ends])
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
    store.keep([Change(one, told), Change(two, (ended(1, NOW - 12),))])
    store.keep([Change(one, (ended(4, NOW), *told))])
    assert of(engine) == {
        tally("rolled_back", NOW - 30): 1,
        tally("committed", NOW - 20): 1,
        tally("committed", NOW - 20, verified=True): 1,
    }
    store.keep([Change(instance(3), (ended(1, NOW - 11),))])
    assert of(engine)[tally("committed", NOW - 20)] == 2
    assert outcomes.since(NOW - 25)[tally("committed", NOW - 20)] == 2
    assert outcomes.of("v9.9.9", "v1.1.0") == {"v9.9.9": {}, "v1.1.0": of(engine)}


def test_only_what_brings_a_release_counts(engine: Engine) -> None:
    """Going back by hand to a release is no update to it; a clock that is ahead is not believed."""
    store = Store(engine)
    store.keep([Change(instance(1), (ended(1, NOW, kind="rollback"), transition(0)))])
    store.keep([Change(instance(2), (ended(1, NOW + 900),))])
    assert of(engine) == {tally("committed", NOW): 1}


def test_who_is_erased_stays_counted_and_is_told_apart_nowhere(engine: Engine) -> None:
    """A count is of nobody."""
    store = Store(engine)
    store.keep([Change(instance(1), (ended(1, NOW),))])
    store.erase(instance(1).id)
    assert of(engine) == {tally("committed", NOW): 1}
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
