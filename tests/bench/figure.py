"""One line of the table: what was measured, against which floor, and what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure.

    Attributes:
        what: what was measured, in words.
        measured: the figure, in `unit`.
        unit: `s`, `MB`, …
        floor: what the same costs without the agent, measured in the same run; None: no such thing.
        limit: what `measured` may be at most; None: printed beside, for information.
        times_floor: what `measured` may be at most, as a multiple of the floor.
        beside: what explains the figure.
    """

    what: str
    measured: float
    unit: str
    floor: float | None = None
    limit: float | None = None
    times_floor: float | None = None
    beside: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of its floor."""
        return self.measured / self.floor if self.floor else None

    @property
    def most(self) -> float | None:
        """What the figure may be at most, in its unit."""
        if self.times_floor is not None and self.floor is not None:
            return self.times_floor * self.floor
        return self.limit

    @property
    def holds(self) -> bool | None:
        """Whether it is within its limit; None where it has none."""
        return None if self.most is None else self.measured <= self.most


def spread(values: Sequence[float], unit: str) -> str:
    """The lowest and the highest of several measurements, for a note."""
    return f"{len(values)} runs: {min(values):.1f} to {max(values):.1f} {unit}"


def middle(values: Sequence[float]) -> float:
    """The median: one disturbed run must not decide."""
    return float(median(values))
