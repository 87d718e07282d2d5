"""Maintenance windows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.windows import Window, next_opening, open_at, parse_window

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 - windows are local wall time
INSTANTS = st.integers(0, 14 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
WINDOWS = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1438),
    st.just(1439),
) | st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(720, 1439),
    st.integers(0, 719),
)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in the week that begins on Monday (0), 23 November 2026."""
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("text", "local", "expected"),
    [
        ("02:00-05:00", at(3, 2), True),
        ("02:00-05:00", at(3, 5), False),
        ("Sat,Sun 00:00-24:00", at(6, 23, 59), True),
        ("Sat,Sun 00:00-24:00", at(0, 0), False),
        ("Mon-Fri 22:00-06:00", at(4, 23), True),
        ("Mon-Fri 22:00-06:00", at(5, 5, 59), True),  # Friday's, into Saturday
        ("Mon-Fri 22:00-06:00", at(5, 23), False),
        ("Mon-Fri 22:00-06:00", at(0, 5), False),  # would be Sunday's
        ("Fri-Mon 01:00-02:00", at(6, 1), True),  # over the end of the week
        ("Fri-Mon 01:00-02:00", at(2, 1), False),
        ("sun 22:00 - 02:00", at(7, 1), True),  # Sunday's, into Monday
    ],
)
def test_open(text: str, local: datetime, *, expected: bool) -> None:
    """A window belongs to the day on which it starts."""
    assert open_at([parse_window(text)], local) is expected


def test_without_windows_it_is_always_open() -> None:
    """The promise of three minutes holds unless the operator says otherwise."""
    assert open_at([], at(0, 12))
    assert next_opening([], at(0, 12)) == at(0, 12)


def test_next_opening_is_the_earliest_of_all() -> None:
    """Also when it is a week away, almost."""
    windows = [parse_window("Sat 03:00-04:00"), parse_window("Tue 22:00-23:00")]

    assert next_opening(windows, at(0, 12)) == at(1, 22)
    assert next_opening(windows, at(1, 23)) == at(5, 3)
    assert next_opening(windows[:1], at(5, 4)) == at(12, 3)


@pytest.mark.parametrize(
    "text",
    [
        *("", "22:00", "Mon", "Mon-Tue-Wed 1:00-2:00", "Mon-Fry 22:00-23:00", "24:00-01:00"),
        *("22:60-23:00", "25:00-26:00", "10:00-10:00", "Mon 00:00-24:01", "Mon, 10:00-11:00"),
    ],
)
def test_what_is_not_a_window_is_refused_with_what_is(text: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(ValueError, match=r"write it as|days are"):
        parse_window(text)


@given(WINDOWS)
def test_a_window_reads_back_from_how_it_prints(window: Window) -> None:
    """`config show` prints what could be typed."""
    assert parse_window(str(window)) == window


@given(st.lists(WINDOWS, min_size=1, max_size=3), INSTANTS)
def test_it_opens_at_the_next_opening_and_not_before(
    windows: list[Window], local: datetime
) -> None:
    """Minute by minute, until then it is closed."""
    opening = next_opening(windows, local)

    assert open_at(windows, opening)
    minutes = int((opening - local) / timedelta(minutes=1))
    assert not any(
        open_at(windows, local + timedelta(minutes=step)) for step in range(0, minutes, 7)
    )
