"""When an instance polls, and when its next report is due: pure, for agents and for their likes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""When the first interval of polls began."""

SHORTEST, LONGEST = 60.0, 86_400.0
"""Seconds between which the fleet may choose an interval."""
_FIRST_PAUSE = 30.0
_LONGEST_PAUSE = 3600.0
_DOUBLINGS = 7


@dataclass(frozen=True)
class Pace:
    """How often the fleet wants to hear, and how often in a row it could not.

    Attributes:
        interval: seconds from one report to the next.
        failures: reports in a row that were not taken.
        asked: seconds that the server wants to be left alone, if it says so.
    """

    interval: float
    failures: int = 0
    asked: float = 0.0

    def taken(self, interval: float) -> Pace:
        """A report was taken, and the fleet says when it wants the next one."""
        return Pace(min(max(interval, SHORTEST), LONGEST))

    def failed(self, asked: float = 0.0) -> Pace:
        """A report was not taken."""
        return Pace(self.interval, self.failures + 1, min(asked, LONGEST))

    def pause(self, chance: float) -> float:
        """Seconds to wait from now on.

        After failures longer and longer, and no two instances alike: a server that comes back must
        not be met by all of them at once.

        Args:
            chance: from 0 to 1, drawn anew each time.
        """
        if not self.failures:
            return self.interval * (0.9 + 0.2 * chance)
        doublings = min(self.failures - 1, _DOUBLINGS)
        longest = max(self.interval, _LONGEST_PAUSE)
        return max(min(_FIRST_PAUSE * (1 << doublings), longest) * (0.5 + chance), self.asked)


def phase_of(instance: str, interval: float) -> timedelta:
    """When in the interval this instance polls: the same for ever, and different from others."""
    number = int.from_bytes(hashlib.sha256(instance.encode()).digest()[:8])
    return timedelta(seconds=number % int(interval))
