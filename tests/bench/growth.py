"""A month of polls: the daemon's own tick on the simulated world, and what it leaves behind.

Run as a program it ticks and prints what it weighed, so that nothing else in the process counts.
"""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import structlog

from koprogo_agent.errors import RetryLater
from tests.bench.figure import Figure
from tests.simulation.instance import TICK, Instance

POLLS = 15_000
WARM_POLLS = 1_000
FAILING_EVERY = 50
"""One poll in so many finds the source away."""
GROWTH_MB = 1.0
"""Less than this in a month is no growth: the allocator's own arenas come and go by as much."""
SAMPLES = 15


def measure(polls: int = POLLS) -> Iterator[Figure]:
    """Resident memory and journal after a month of polls, compared with those after two days."""
    command = [sys.executable, "-m", "tests.bench.growth", str(polls)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rss, journal = json.loads(done.stdout)
    yield Figure(
        f"growth over {polls} simulated polls: memory",
        rss[-1] - rss[0],
        "MB",
        limit=GROWTH_MB,
        beside=f"from {rss[0]:.1f} to {rss[-1]:.1f} MB, the simulation included;"
        " daily backups, and one poll in 50 that fails",
    )
    yield Figure(
        "  the same: journal with its write-ahead log",
        journal[-1] - journal[0],
        "KB",
        beside=f"from {journal[0]:.0f} to {journal[-1]:.0f} KB",
    )


def main(polls: int) -> None:
    """Ticks so often; prints the weights sampled on the way, as JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    process = psutil.Process()
    rss: list[float] = []
    journal: list[float] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        instance = Instance.new(folder, backup={"daily_at": time(3, 30)})
        instance.install()
        _quieten(instance)
        every = max(1, (polls - WARM_POLLS) // SAMPLES)
        for count in range(polls + 1):
            failing = count % FAILING_EVERY == 0
            away = RetryLater("the source is away", code="source.unreachable")
            instance.scene.origin.failure = away if failing else None
            instance.tick()
            instance.errors.clear()
            instance.taps.names.clear()
            instance.scene.clock.wait(TICK)
            if count >= WARM_POLLS and (count - WARM_POLLS) % every == 0:
                gc.collect()
                rss.append(process.memory_info().rss / 1e6)
                files = folder.glob("state.db*")
                journal.append(sum(file.stat().st_size for file in files) / 1000)
    print(json.dumps([rss, journal]))


def _quieten(instance: Instance) -> None:
    """Nobody writes rows and nothing is counted: the simulation itself must not grow."""
    instance.scene.machine.busy = _nothing
    instance.taps.each = None


def _nothing() -> None:
    """Nobody is there."""


if __name__ == "__main__":
    main(int(sys.argv[1]))
