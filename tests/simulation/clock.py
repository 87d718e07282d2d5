"""Time that moves only when somebody waits, and moves the world with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""A Monday at noon."""


class SimClock:
    """The clock port.

    Attributes:
        seconds: since the world began.
        skew: by how much the wall clock is wrong.
        moves: what happens in the world while seconds go by; told how many.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.skew = timedelta()
        self.moves: Callable[[float], None] = self.move

    def now(self) -> datetime:
        """The wall clock."""
        return EPOCH + timedelta(seconds=self.seconds) + self.skew

    def monotonic(self) -> float:
        """Seconds since the world began."""
        return self.seconds

    def wait(self, seconds: float) -> None:
        """Lets the world go on."""
        self.moves(seconds)

    def move(self, seconds: float) -> None:
        """Nothing but the hands of the clock."""
        self.seconds += seconds
