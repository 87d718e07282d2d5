"""An idle daemon: what it weighs, and what a poll costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.site import BARE, Site
from tests.instance import Instance
from tests.lab.front import Front
from tests.lab.processes import LabError, wait_until
from tests.lab.recipes import Kind

RSS_MIB = 45
CPU_MS = 60
NETWORK_KB = 4
INTERVAL = 2
SETTLING_POLLS = 3
"""Left out: the first tick imports and prepares what the others find ready."""
FIRST_SECONDS = 60
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
AFTER_NAME = 13  # utime in /proc/PID/stat; cutime and cstime follow it
RESIDENT = 1


@dataclass(frozen=True)
class Reading:
    """What the kernel and the git server's front say at one moment."""

    rss_mib: float
    cpu_ms: float
    polls: int
    kilobytes: float


def measure(site: Site, polls: int) -> Iterator[Figure]:
    """`koprogo-agent run` beside a healthy stack, with nothing to do."""
    site.settle()
    front = site.lab.origin.front
    calm = site.kept.changed(**BARE, source={"interval": INTERVAL})
    with _daemon(calm) as process:
        _await_polls(process, front, SETTLING_POLLS)
        before = _read(process, front)
        _await_polls(process, front, polls)
        after = _read(process, front)
        listing = site.listing()
        site.lab.publisher.publish(Kind.GOOD)
        _await_polls(process, front, SETTLING_POLLS)
        updated = _read(process, front)
    count = after.polls - before.polls
    yield Figure(
        "idle daemon: resident memory",
        after.rss_mib,
        "MiB",
        limit=RSS_MIB,
        beside=f"as ps and systemctl count; {after.rss_mib * 2**20 / 1e6:.1f} million bytes",
    )
    yield Figure(
        "  the same after an update",
        updated.rss_mib,
        "MiB",
        limit=RSS_MIB,
        beside="what an update imports is left behind by beginning afresh",
    )
    yield Figure(
        "idle daemon: CPU of a poll, children included",
        (after.cpu_ms - before.cpu_ms) / count,
        "ms",
        limit=CPU_MS,
        beside=f"user and system, over {count} polls",
    )
    yield Figure(
        "idle daemon: network of a poll",
        (after.kilobytes - before.kilobytes) / count,
        "KB",
        floor=listing.bytes / 1000,
        limit=NETWORK_KB,
        beside=f"both ways, with TLS, {listing.tags} tags at the source; floor: git ls-remote",
    )


@contextmanager
def _daemon(instance: Instance) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(sys.executable).parent / "koprogo-agent"
    with (instance.root / "daemon.log").open("wb") as said:
        process = subprocess.Popen([program, "run"], env=instance.environment, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _await_polls(process: subprocess.Popen[bytes], front: Front, more: int) -> None:
    goal = _polls(front) + more

    def polled() -> bool:
        if process.poll() is not None:
            raise LabError(f"the daemon has ended with {process.returncode}")
        return _polls(front) >= goal

    wait_until(polled, FIRST_SECONDS + more * INTERVAL * 2, f"{more} polls")
    # A poll is seen when it begins; what the tick does then is part of it.
    time.sleep(INTERVAL / 2)


def _read(process: subprocess.Popen[bytes], front: Front) -> Reading:
    folder = Path(f"/proc/{process.pid}")
    numbers = (folder / "stat").read_text().rpartition(")")[2].split()
    times = numbers[AFTER_NAME - 2 :][:4]
    pages = int((folder / "statm").read_text().split()[RESIDENT])
    return Reading(
        pages * PAGE_MIB,
        sum(map(int, times)) * TICK_MS,
        _polls(front),
        front.traffic().bytes / 1000,
    )


def _polls(front: Front) -> int:
    return sum("info/refs" in request for request in front.requests)
