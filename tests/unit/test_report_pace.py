"""How often an instance reports, and how a fleet that comes back is not overrun."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.pace import LONGEST, SHORTEST, Pace

CHANCE = st.floats(0, 1)


@given(CHANCE)
def test_all_is_well_at_the_fleets_interval(chance: float) -> None:
    """Give or take a tenth, so that those who began together do not stay together."""
    assert 161.9 <= Pace(180).pause(chance) <= 198.1


@given(st.floats(allow_nan=False), CHANCE)
def test_the_fleet_chooses_within_limits(interval: float, chance: float) -> None:
    """Neither is an instance made to hammer it, nor silenced for ever."""
    assert SHORTEST * 0.89 <= Pace(180).taken(interval).pause(chance) <= LONGEST * 1.11


@given(st.integers(1, 10_000), CHANCE)
def test_failures_make_it_patient(failures: int, chance: float) -> None:
    """From half a minute on, and never for more than an hour and a half."""
    pause = Pace(180, failures).pause(chance)
    assert 15 <= pause <= 5400
    assert pause <= 45 * 2 ** min(failures - 1, 20)


@given(st.integers(1, 20), st.floats(0, 0.99))
def test_no_two_are_alike(failures: int, chance: float) -> None:
    """A server that was away is met by them one after the other."""
    pace = Pace(180, failures)
    assert pace.pause(chance) < pace.pause(chance + 0.01)


def test_who_asks_to_be_left_alone_is() -> None:
    """For a day at most."""
    assert Pace(180).failed(7200).pause(0.5) == 7200
    assert Pace(180).failed(1e12).pause(0.5) == LONGEST


def test_one_that_is_taken_ends_the_failures() -> None:
    """At once."""
    assert Pace(180).failed().failed().taken(180) == Pace(180)
