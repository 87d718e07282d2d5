"""Maintenance windows: the hours of the week in which updates may begin.

A window is written as `Mon-Fri 22:00-06:00`, `Sat,Sun 00:00-24:00` or, for every day,
`02:00-05:00`. One that ends before it starts runs into the next day and belongs to the day on which
it starts. Everything here is in the machine's local wall time, because that is what people mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = len(_DAYS)
_MINUTES_A_DAY = 24 * 60
_GRAMMAR = re.compile(
    r"(?:(?P<days>[A-Za-z]+(?:-[A-Za-z]+)?(?:,[A-Za-z]+(?:-[A-Za-z]+)?)*) +)?"
    r"(?P<from>[0-2]\d:[0-5]\d) ?- ?(?P<to>[0-2]\d:[0-5]\d)"
)
_FORM = "write it as Mon-Fri 22:00-06:00, Sat,Sun 00:00-24:00 or 02:00-05:00"


@dataclass(frozen=True)
class Window:
    """One maintenance window.

    Attributes:
        days: days on which it starts; Monday is 0.
        start: minutes after midnight at which it opens.
        end: minutes after midnight at which it closes; below `start` it means the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def contains(self, local: datetime) -> bool:
        """Whether the window is open at a local time."""
        today, minute = local.weekday(), local.hour * 60 + local.minute
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % _WEEK
        return (today in self.days and minute >= self.start) or (
            yesterday in self.days and minute < self.end
        )

    def __str__(self) -> str:
        hours = f"{_clock(self.start)}-{_clock(self.end)}"
        if len(self.days) == _WEEK:
            return hours
        return f"{','.join(_DAYS[day] for day in sorted(self.days))} {hours}"


def parse_window(text: str) -> Window:
    """Reads one window.

    Raises:
        ValueError: the text is not in the grammar; the message says what is.
    """
    match = _GRAMMAR.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text[:60]!r} is not a window; {_FORM}")
    start, end = _minutes(match["from"]), _minutes(match["to"])
    if start >= _MINUTES_A_DAY or end > _MINUTES_A_DAY or start == end:
        raise ValueError(f"{text[:60]!r} has impossible hours; {_FORM}")
    return Window(_parse_days(match["days"]), start, end)


def open_at(windows: Sequence[Window], local: datetime) -> bool:
    """Whether an update may begin at a local time; without any window it always may."""
    return not windows or any(window.contains(local) for window in windows)


def next_opening(windows: Sequence[Window], local: datetime) -> datetime:
    """The local time from which an update may begin: now when it may, else the next opening."""
    if open_at(windows, local):
        return local
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    openings = (
        midnight + timedelta(days=ahead, minutes=window.start)
        for window in windows
        for ahead in range(_WEEK + 1)
        if (midnight.weekday() + ahead) % _WEEK in window.days
    )
    return min(opening for opening in openings if opening > local)


def _parse_days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(_WEEK))
    days: set[int] = set()
    for part in text.split(","):
        first, *rest = (_day(name) for name in part.split("-"))
        last = rest[-1] if rest else first
        days.update((first + step) % _WEEK for step in range((last - first) % _WEEK + 1))
    return frozenset(days)


def _day(name: str) -> int:
    try:
        return _DAYS.index(name.capitalize())
    except ValueError:
        raise ValueError(f"{name[:20]!r} is not a day; days are {', '.join(_DAYS)}") from None


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
