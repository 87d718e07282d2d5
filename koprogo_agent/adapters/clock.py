"""This machine's clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """The wall clock, in UTC; it may be wrong, and it may jump."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Lets seconds go by. A signal does not shorten it: steps are never ended half-way."""
        time.sleep(seconds)
