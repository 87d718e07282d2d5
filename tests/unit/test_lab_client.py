"""What the load client makes of its samples."""

from __future__ import annotations

import pytest

from tests.lab.client import Sample, Tally


def answered(started: float, *, seconds: float = 0.1, ok: bool = True) -> Sample:
    """A request that was answered, well or not."""
    return Sample(started, started + seconds, 200 if ok else 502, ok, "", started)


def test_slow_answers_are_no_failures() -> None:
    """A request that waited was answered: it is part of an outage, but nothing failed."""
    tally = Tally((answered(0), answered(1, seconds=7), answered(9)))
    assert tally.unavailable == pytest.approx(7)
    assert tally.failing == 0


def test_failing_lasts_until_the_next_good_answer() -> None:
    """From the start of the first request that failed."""
    tally = Tally((answered(0), answered(1, ok=False), answered(2, ok=False), answered(3)))
    assert tally.failing == pytest.approx(2.1)


def test_rate_counts_until_the_last_answer() -> None:
    """Requests that were asked for in time and answered late do not count as reached."""
    tally = Tally((answered(0), answered(1, seconds=9)))
    assert tally.rate == pytest.approx(0.2)
    assert Tally(()).rate == 0
