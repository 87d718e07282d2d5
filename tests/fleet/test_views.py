"""What is shown of the fleet: how a release fares, what needs a person, what everybody sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.fleet.domain.census import Census, Installed
from koprogo_agent.fleet.domain.outcomes import ARRIVED, Tally
from koprogo_agent.fleet.domain.releases import Release
from koprogo_agent.fleet.views.adoption import adoption, exposure, installed_now
from koprogo_agent.fleet.views.attention import Arriving, Ingest, clusters, ingest
from koprogo_agent.fleet.views.progress import Progress, progress
from koprogo_agent.fleet.views.public import SMALLEST, public
from koprogo_agent.fleet.views.share import at_least

NOW = 1_795_000_000
TAG = "v1.1.0"
RELEASE = Release(TAG, NOW - 600)


def kind(installed: str, state: str = "current") -> Census:
    """A kind of instance."""
    return Census(installed, state, verified=True)


def arrived(after: int) -> Tally:
    """Instances that had the release so many seconds after it was published."""
    return Tally(TAG, ARRIVED, RELEASE.published + after, "", "", verified=True)


def failed(code: str = "gate.unhealthy", outcome: str = "rolled_back") -> Tally:
    """Instances with which it failed."""
    return Tally(TAG, outcome, NOW - 300, "gate", code, verified=True)


def seen(counted: dict[Tally, int], fleet: int = 100, named: Release | None = RELEASE) -> Progress:
    """How it fares."""
    return progress(TAG, named, counted, fleet, {})


def test_who_is_silent_counts_as_not_yet() -> None:
    """Shares are of the whole fleet, and a quantile that is not reached is none."""
    one = seen({arrived(60): 40, arrived(120): 20, arrived(300): 30})
    assert one.curve.quantiles == {"p50": 120, "p90": 300, "p95": None, "p99": None}
    assert one.curve.seconds == (0, 60, 120, 300)
    assert one.curve.shares == (0.0, 0.4, 0.6, 0.9)
    assert one.arrived == 90


def test_a_release_that_nobody_has_named_is_counted_from_its_first_instance() -> None:
    """And a fleet is never smaller than those that have it."""
    one = seen({arrived(60): 3, arrived(90): 1}, fleet=2, named=None)
    assert (one.published, one.named) == (RELEASE.published + 60, False)
    assert (one.curve.fleet, one.curve.shares[-1]) == (4, 1.0)
    nobody = seen({}, fleet=0, named=None)
    assert (nobody.published, nobody.curve.shares, nobody.hold) == (None, (0.0,), False)


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    """Its quantiles are those of all points."""
    one = seen({arrived(10 * n): 1 for n in range(2_000)}, fleet=2_000)
    assert len(one.curve.seconds) <= 302
    assert (one.curve.seconds[-1], one.curve.shares[-1]) == (19_990, 1.0)
    assert one.curve.quantiles["p50"] == 9_990


def test_failures_are_grouped_the_most_first() -> None:
    """What was held apart from what was rolled back."""
    one = seen({failed("gate.restarts"): 2, failed(): 5, failed(outcome="held"): 1})
    assert [(each.outcome, each.code, each.count) for each in one.failures] == [
        ("rolled_back", "gate.unhealthy", 5),
        ("rolled_back", "gate.restarts", 2),
        ("held", "gate.unhealthy", 1),
    ]
    assert one.failed == 8


@pytest.mark.parametrize(
    ("good", "bad", "proposed"), [(0, 2, ""), (3, 3, "hold"), (97, 3, ""), (900, 40, "hold")]
)
def test_a_hold_is_proposed_where_chance_cannot_be_why(good: int, bad: int, proposed: str) -> None:
    """Two failures are too few to say, three of a hundred may be chance."""
    assert seen({arrived(60): good, failed(): bad}, 1000).hold is bool(proposed)


def test_where_the_fleet_stands_with_a_release() -> None:
    """By version; who is absent is said to be that."""
    counts = {
        kind("v1.0.0"): 3,
        kind(TAG): 4,
        kind("v1.10.0"): 2,
        kind(""): 1,
        kind(TAG, "late"): 5,
    }
    bars = progress(TAG, None, {}, 15, counts).now
    assert {bar.name: bar.count for bar in bars} == {
        "on_it": 4,
        "beyond": 2,
        "below": 3,
        "unknown": 1,
        "late": 5,
    }


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_lower_bound_is_below_the_share(bad: int, good: int) -> None:
    """And nearer to it the more there are."""
    total = bad + good
    bound = at_least(bad, total)
    assert 0 <= bound <= (bad / total if total else 0)
    assert at_least(10 * bad, 10 * total) >= bound


def test_the_lower_bound_is_that_of_the_tables() -> None:
    """Wilson's interval for 10 of 50, 95 %: 11.2 % to 33.0 %."""
    assert round(at_least(10, 50), 3) == 0.112


def test_versions_over_time_are_shares_of_those_that_reported() -> None:
    """The most used are told apart, the others are together; in the order of versions."""
    counted = [Installed(NOW, f"v1.{n}.0", 1, 10 + n, 0) for n in range(9)]
    counted += [Installed(NOW + 3600, "v1.8.0", 1, 5, 95), Installed(NOW + 3600, "", 1, 5, 0)]
    shown = adoption(counted)
    assert shown.names == (*(f"v1.{n}.0" for n in range(8, 1, -1)), "others")
    assert (shown.moments, shown.reporting) == ((NOW, NOW + 3600), (126, 10))
    assert all(round(sum(column), 9) == 1 for column in zip(*shown.shares, strict=True))
    assert shown.shares[0] == (18 / 126, 0.5)
    nothing = adoption([])
    assert (nothing.moments, nothing.names) == ((), ())


def test_the_present_is_the_last_moment() -> None:
    """It has not lasted, and so nothing was run unsafely in it yet."""
    counts = {kind("v1.0.0"): 3, kind("v1.0.0", "held"): 1, kind("v1.0.0", "late"): 2, kind(""): 1}
    assert installed_now(counts, NOW) == [
        Installed(NOW, "", 0, 1, 0),
        Installed(NOW, "v1.0.0", 0, 4, 2),
    ]


def test_a_year_is_thinned() -> None:
    """To what a chart can show; the last moment is among them."""
    counted = [Installed(NOW + 3600 * n, "v1.0.0", 1, n + 1, 0) for n in range(1_001)]
    shown = adoption(counted)
    assert len(shown.moments) <= 200
    assert (shown.moments[-1], shown.reporting[-1]) == (NOW + 3_600_000, 1_001)


def test_hours_below_the_floor_are_counted_from_when_it_was_published() -> None:
    """A day is 24 hours; who did not report is counted apart."""
    releases = [Release("v1.1.0", NOW, security=True), Release("v1.2.0", NOW - 100)]
    counted = [
        Installed(NOW - 3600, "v1.0.0", 1, 100, 0),
        Installed(NOW, "v1.0.0", 24, 10, 2),
        Installed(NOW, "v1.1.0", 24, 90, 0),
        Installed(NOW, "", 24, 5, 5),
    ]
    seen_ = exposure(counted, releases, 30)
    assert (seen_.days, seen_.reporting, seen_.absent) == (30, 240, 48)


@pytest.mark.parametrize(
    ("last", "fault", "expected"),
    [
        (NOW - 100, "", Ingest.FINE),
        (NOW - 100, "no answer", Ingest.UNREACHABLE),
        (NOW - 400, "no answer", Ingest.DOWN),
        (NOW - 400, "", Ingest.QUIET),
        (None, "", Ingest.FINE),
    ],
)
def test_our_own_fault_is_told_from_a_silent_fleet(
    last: int | None, fault: str, expected: Ingest
) -> None:
    """Nothing comes: does our own address answer?"""
    arriving = Arriving(180, last, fault, {})
    assert ingest({kind(TAG): 20}, arriving, NOW) is expected


def test_a_small_fleet_is_quiet_by_chance() -> None:
    """Three instances report once in a minute; nobody worries about five minutes."""
    assert ingest({kind(TAG): 3}, Arriving(180, NOW - 300, "", {}), NOW) is Ingest.FINE


def test_versions_that_fall_silent_stand_out() -> None:
    """Against the rest of the fleet, and not by a handful."""
    counts = {
        kind("v1.0.0"): 60,
        kind("v1.0.0", "silent"): 40,
        kind("v1.1.0"): 990,
        kind("v1.1.0", "late"): 10,
        kind("v1.2.0"): 2,
        kind("v1.2.0", "silent"): 4,
        kind("v1.3.0", "left"): 50,
    }
    (cluster,) = clusters(counts)
    assert (cluster.installed, cluster.absent, cluster.total) == ("v1.0.0", 40, 100)
    assert clusters({kind("v1.0.0", "late"): 500}) != ()
    assert clusters({}) == ()


@given(st.dictionaries(st.sampled_from(["v1.0.0", "v1.1.0", "v1.2.0", ""]), st.integers(1, 40)))
def test_nobody_can_be_told_apart_in_public(fleet: dict[str, int]) -> None:
    """No number below ten, nor one that follows from others; one more or less changes nothing."""
    counts = {kind(tag): count for tag, count in fleet.items()}
    shown = public(counts, NOW, "v1.2.0")
    numbers = [shown.reporting, *(bar.count for bar in shown.versions)]
    assert all(number % SMALLEST == 0 for number in numbers)
    assert all(bar.count >= SMALLEST and bar.name for bar in shown.versions)
    newest, total = fleet.get("v1.2.0", 0), sum(fleet.values())
    if 0 < newest < SMALLEST or 0 < total - newest < SMALLEST or total < SMALLEST:
        assert shown.share is None


def test_the_public_page_leaves_out_who_does_not_report() -> None:
    """And says how many run the newest."""
    counts = {kind("v1.1.0"): 80, kind("v1.0.0"): 27, kind("v1.1.0", "silent"): 500}
    shown = public(counts, NOW, None)
    assert (shown.reporting, shown.newest, shown.share) == (100, "v1.1.0", 0.8)
    assert [(bar.name, bar.count) for bar in shown.versions] == [("v1.1.0", 80), ("v1.0.0", 20)]
