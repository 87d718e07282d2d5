"""What is due, and when: one heap for all instances."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, auto


class What(IntEnum):
    """What happens to an instance."""

    POLL = auto()
    STEP = auto()
    REPORT = auto()
    FALL = auto()
    RISE = auto()


Entry = tuple[float, int, What]
"""When, the number of the instance, and what."""


@dataclass
class Agenda:
    """Moments are seconds since 1970."""

    _entries: list[Entry] = field(default_factory=list)

    def put(self, moment: float, number: int, what: What) -> None:
        """Something happens at a moment; never, where that is infinite."""
        if moment < math.inf:
            heapq.heappush(self._entries, (moment, number, what))

    def due(self, now: float) -> Iterator[Entry]:
        """What is due by now, in order; what is put meanwhile is there, too."""
        while self._entries and self._entries[0][0] <= now:
            yield heapq.heappop(self._entries)

    @property
    def next(self) -> float:
        """When something is due again, or infinity."""
        return self._entries[0][0] if self._entries else math.inf
