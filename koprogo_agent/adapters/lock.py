"""One agent at a time, on this machine.

A lock belongs to the open file, so the kernel gives it back however its holder ends. The files are
never removed: two agents could then hold locks on two files of one name.

A daemon that polls and looks all the time could keep a person out for good: between two of its
holds there are milliseconds. So whoever waits says so with a second lock, which many may share, and
the daemon begins nothing while that is held.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from koprogo_agent.durable import disk_errors, make_folder
from koprogo_agent.errors import RetryLater

_FILE = "agent.lock"
_AWAITED = "agent.awaited"
_LONGEST = 100


@contextmanager
def agent_lock(run_directory: Path) -> Iterator[None]:
    """Held by whoever acts.

    Raises:
        RetryLater: another agent holds it; says which, and since when (`agent.busy`).
        NeedsOperator: the lock file cannot be made.
    """
    with _opened(run_directory / _FILE) as handle:
        _take(handle)
        yield


@contextmanager
def awaiting_lock(run_directory: Path) -> Iterator[None]:
    """Held by whoever waits for the lock: who gives way begins nothing meanwhile.

    Raises:
        NeedsOperator: the lock file cannot be made.
    """
    with _opened(run_directory / _AWAITED) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def give_way(run_directory: Path) -> None:
    """Asks, before taking the lock, whether somebody waits for it.

    Raises:
        RetryLater: somebody does, and goes first (`agent.busy`).
        NeedsOperator: the lock file cannot be made.
    """
    with _opened(run_directory / _AWAITED) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RetryLater("a command that was typed goes first", code="agent.busy") from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with disk_errors(f"make the lock file {path}"):
        make_folder(path.parent)
        # Close-on-exec (Python's default): no child may hold the lock after the agent.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, _LONGEST, 0).decode(errors="replace").strip()
        raise RetryLater(
            f"another agent is at work ({holder or 'it has just begun'})",
            code="agent.busy",
            advice="wait for it to end; `koprogo-agent status` shows what it does",
        ) from error
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} since {begun}\n".encode(), 0)
