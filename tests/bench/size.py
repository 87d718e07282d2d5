"""How much the benchmark measures, and so how long it takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

SIZE = "KOPROGO_BENCH"
UPDATES = "KOPROGO_BENCH_UPDATES"


class SizeError(Exception):
    """The environment asks for a size that does not exist."""


@dataclass(frozen=True)
class Size:
    """A size of the benchmark.

    Attributes:
        updates: updates under load, half of them with a schema change.
        plain: updates by plain Compose for each kind of them.
        megabytes: of data in the database, in millions of bytes.
        polls: of the idle daemon.
        reports: that the fleet server is sent.
        instances: on the dashboard.
        rounds: of questions to the dashboard.
        growth: simulated polls.
        crowds: whether crowds of instances are simulated in real time, which takes 20 minutes.
    """

    updates: int
    plain: int
    megabytes: int
    polls: int
    reports: int
    instances: int
    rounds: int
    growth: int
    crowds: bool


SIZES = {
    "quick": Size(4, 1, 100, 5, 500, 2_000, 3, 1_500, crowds=False),
    "usual": Size(8, 1, 1_000, 5, 500, 2_000, 3, 1_500, crowds=False),
    "full": Size(100, 5, 1_000, 20, 3_000, 100_000, 11, 15_000, crowds=True),
}


def chosen(environment: Mapping[str, str] = os.environ) -> Size:
    """The size that the environment asks for.

    Raises:
        SizeError: it asks for none that exists.
    """
    name = environment.get(SIZE, "usual")
    if name not in SIZES:
        raise SizeError(f"{SIZE} is {name!r}; it may be {', '.join(SIZES)}")
    size, updates = SIZES[name], environment.get(UPDATES)
    if updates is None:
        return size
    if not updates.isdecimal() or int(updates) % 4 or not int(updates):
        raise SizeError(f"{UPDATES} is {updates!r}; it may be 4, 8, 12 and so on")
    return replace(size, updates=int(updates))
