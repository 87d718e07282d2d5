"""Shares of a whole, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

_Z = 1.96
"""Standard deviations: 95 of 100 times the true share is within the bounds."""


@dataclass(frozen=True)
class Bar:
    """A kind, how many there are of it, and which share of all that is.

    Attributes:
        name: a tag, or a key of the words; empty where the version is not known.
        count: how many.
        share: from 0 to 1.
    """

    name: str
    count: int
    share: float


def bar(name: str, count: int, total: int) -> Bar:
    """A bar of a whole, which may be nothing."""
    return Bar(str(name), count, count / total if total else 0.0)


def at_least(count: int, total: int) -> float:
    """What the true share is at least, 95 of 100 times: the lower bound of Wilson's interval.

    Source: E. B. Wilson, JASA 22 (1927), 209-212. Holds for small numbers as well.
    """
    if not total:
        return 0.0
    share, square = count / total, _Z * _Z / total
    centre = share + square / 2
    spread = _Z * sqrt(share * (1 - share) / total + square / (4 * total))
    return max((centre - spread) / (1 + square), 0.0)
