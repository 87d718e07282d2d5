"""A simulated fleet against a server on SQLite, in real time: a release for 12,000, and 100,000."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import psutil

from tests.bench.figure import Figure
from tests.fleet.servers import NO_LIMITS, Fleet
from tests.lab.processes import LabError

PLANNED, TARGET = 12_000, 100_000
"""Instances of 2027 to 2029, and those that it must be able to become."""
_UPDATE = 6.4
"""Seconds of an update without schema change, as `updates` measures it, backup and rehearsal
apart; drawn from half as much to twice as much."""
_P50, _LAST = 110.0, 200.0
"""Seconds from the tag until half of the fleet has it, and all."""
_PEAK = 2.0
"""Requests of the busiest second at the source, as a multiple of the mean."""
_SLOWEST = 50.0
"""Milliseconds within which 99 of 100 reports are answered."""
_GROWTH = 5.0
"""Percent by which a server that is steady may grow: the allocator's arenas come and go."""
_SETTLES = 1 / 3
"""Share of the time after which each instance has reported once more than at its beginning."""
_PAUSE, _SAMPLES = 1.0, 30


def measure_release(instances: int, minutes: float, at: float) -> Iterator[Figure]:
    """How fast all have a release that is out at a minute, and how evenly the source is asked."""
    words = ("--release", "v1.1.0", "--at", str(at), "--update", str(_UPDATE))
    with _serving() as fleet:
        told = _simulated(fleet, instances, minutes, *words)
    known, source = told["known"], told["source"]
    _require_all(told)
    if known["last"] is None:
        raise LabError(f"only {told['installed']} of {instances} have the release")
    yield Figure(
        f"{instances} simulated instances: tag to installed, and known to the server, half of them",
        known["p50"],
        "s",
        limit=_P50,
        beside=f"updates of {_UPDATE} s in the middle: without backup and rehearsal, which add"
        " what they add above",
    )
    yield Figure(
        "  the same: the last one",
        known["last"],
        "s",
        limit=_LAST,
        beside=f"p99 {known['p99']:.1f}",
    )
    yield Figure(
        "  requests at the source: the busiest second",
        source["peak"],
        "/s",
        floor=source["mean"],
        times_floor=_PEAK,
        beside="a poll is one, whoever sees the release makes another",
    )


def measure_steady(instances: int, minutes: float) -> Iterator[Figure]:
    """Answers and memory of a server to which as many report as it must be able to take."""
    with _serving() as fleet, _weighed(fleet.pid) as weights:
        told = _simulated(fleet, instances, minutes)
        ended = time.monotonic()
    _require_all(told)
    began = ended - told["seconds"]
    after = [one.bytes for one in weights if one.at >= began + _SETTLES * told["seconds"]]
    before, last = median(after[:_SAMPLES]), median(after[-_SAMPLES:])
    rate = told["taken"] / told["seconds"]
    yield Figure(
        f"{instances} simulated instances, {rate:.0f} reports/s: 99 of 100 within",
        told["reports"]["p99"] * 1000,
        "ms",
        limit=_SLOWEST,
        beside=f"for {minutes:g} min; half within {told['reports']['p50'] * 1000:.1f} ms;"
        " whoever sends them runs on the same processors",
    )
    yield Figure(
        "  growth of the server's resident memory meanwhile",
        100 * (last - before) / before,
        "%",
        limit=_GROWTH,
        beside=f"from {before / 1e6:.1f} to {last / 1e6:.1f} MB, once each had reported again",
    )


@contextmanager
def _serving() -> Iterator[Fleet]:
    with TemporaryDirectory(prefix="koprogo-fleet-", dir="/var/tmp") as made:
        fleet = Fleet(f"sqlite:///{made}/fleet.db", Path(made), NO_LIMITS)
        fleet.start()
        try:
            yield fleet
        finally:
            fleet.stop()


def _simulated(fleet: Fleet, instances: int, minutes: float, *words: str) -> dict[str, Any]:
    """What comes of a simulation in which all goes well."""
    told: dict[str, Any] = json.loads(
        fleet.type(
            *("simulate", "--json", "--warm", "--url", fleet.url, *words),
            *("--instances", str(instances), "--minutes", str(minutes)),
            *("--failing", "0", "--waiting", "0", "--silent", "0"),
        )
    )
    return told


def _require_all(told: dict[str, Any]) -> None:
    if told["refused"]:
        raise LabError(f"not every report was taken: {told['refused']}")


@dataclass(frozen=True)
class _Weight:
    at: float
    bytes: int


@contextmanager
def _weighed(pid: int) -> Iterator[list[_Weight]]:
    """Resident memory of a process meanwhile, a sample each second."""
    process, weights, is_over = psutil.Process(pid), list[_Weight](), Event()

    def weigh() -> None:
        while not is_over.wait(_PAUSE):
            weights.append(_Weight(time.monotonic(), process.memory_info().rss))

    with ThreadPoolExecutor(1) as apart:
        weighing = apart.submit(weigh)
        try:
            yield weights
        finally:
            is_over.set()
            weighing.result()
