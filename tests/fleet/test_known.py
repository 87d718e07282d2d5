"""Every instance, always counted."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.fleet.domain.census import Census, kind_of
from koprogo_agent.fleet.domain.instances import Instance, Outage
from koprogo_agent.fleet.domain.known import Known, Row
from koprogo_agent.wire.report import StateName
from tests.fleet.machines import heard

NOW = 1_795_000_000
INTERVAL = 180
HOUR, DAY = 3600, 86_400


def one(number: int, seen: int = NOW, **stand: Any) -> Instance:  # noqa: ANN401 - of a stand
    """An instance that was last heard of at a moment."""
    return heard(number, seen, **stand)


def states(known: Known) -> dict[str, int]:
    """How many there are in each state."""
    found = Counter[str]()
    for kind, count in known.counts().items():
        found[kind.state] += count
    return dict(found)


def test_time_alone_moves_who_does_not_report() -> None:
    """Late after three intervals, silent after a day, gone after thirty; back with a report."""
    known = Known([one(1)], INTERVAL, NOW)
    moments = {540: "current", 541: "late", DAY: "silent", 30 * DAY: "left"}
    for after, state in moments.items():
        known.pass_time(NOW + after)
        assert states(known) == {state: 1}
    later = NOW + 31 * DAY
    known.put(one(1, later, state=StateName.HELD), later)
    assert states(known) == {"held": 1}


def test_nobody_is_late_for_a_server_that_did_not_listen() -> None:
    """Who reported until then is awaited, for as long as an agent may wait to try again."""
    outage = Outage(NOW - 6 * HOUR, NOW)
    there = [one(1, outage.began - 100), one(2, outage.began - HOUR), one(3, NOW - 10)]
    known = Known(there, INTERVAL, NOW, outage)
    assert states(known) == {"awaited": 1, "late": 1, "current": 1}
    known.put(one(1, NOW + 60), NOW + 60)
    assert states(known) == {"late": 1, "current": 2}
    known = Known(there, INTERVAL, NOW, outage)
    known.pass_time(NOW + 5401)
    assert states(known) == {"late": 3}


def test_who_is_forgotten_is_not_counted() -> None:
    """And can be forgotten twice."""
    known = Known([one(1), one(2)], INTERVAL, NOW)
    known.forget(one(1).id)
    known.forget(one(1).id)
    assert (len(known), states(known), known.get(one(1).id)) == (1, {"current": 1}, None)
    known.pass_time(NOW + DAY)


def test_those_of_a_kind_are_found() -> None:
    """Whatever is asked of the kind; few of many, or most of them."""
    known = Known([one(1), one(2, installed=None), one(3, state=StateName.HELD)], INTERVAL, NOW)

    def found(wanted: Callable[[Census], bool]) -> set[str]:
        return {row.instance.id for row in known.some(wanted)}

    assert found(lambda kind: kind.state == "held") == {one(3).id}
    assert found(lambda kind: kind.installed == "") == {one(2).id}
    assert len(found(lambda _: True)) == 3
    for number in range(10, 100):
        known.put(one(number), NOW)
    assert found(lambda kind: kind.state == "held") == {one(3).id}
    row = known.row(one(3).id)
    assert row == Row(one(3, state=StateName.HELD), Census("v1.0.0", "held", verified=False))
    assert known.row("f" * 32) is None


def test_the_garbage_collector_looks_at_none_of_them() -> None:
    """It would hold every answer up for half a second at 100,000 instances."""
    row = Known([one(1)], INTERVAL, NOW).row(one(1).id)
    assert row is not None
    assert not any(map(gc.is_tracked, (row, row.instance, row.instance.stand)))


MOVES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([0, 10, 170, 600, HOUR, DAY, 31 * DAY]),
        st.sampled_from(["report", "held", "update", "forget", "wait"]),
    ),
    max_size=40,
)


@given(MOVES)
def test_the_counts_are_what_counting_would_give(moves: list[tuple[int, int, str]]) -> None:
    """Whatever comes, in whatever order, and however much time passes."""
    known, now = Known([], INTERVAL, NOW), NOW
    for number, wait, move in moves:
        now += wait
        match move:
            case "report":
                known.put(one(number, now), now)
            case "held":
                known.put(one(number, now, state=StateName.HELD), now)
            case "update":
                known.put(one(number, now, installed="v2.0.0"), now)
            case "forget":
                known.forget(one(number).id)
        known.pass_time(now)
        counted = Counter(
            kind_of(row.instance, row.instance.presence(now, INTERVAL)) for row in known
        )
        assert known.counts() == counted
