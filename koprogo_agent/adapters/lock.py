"""One agent at a time, on this machine.

The lock belongs to the open file, so the kernel gives it back however its holder ends. The file is
never removed: two agents could then hold locks on two files of one name.
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
_LONGEST = 100


@contextmanager
def agent_lock(run_directory: Path) -> Iterator[None]:
    """Held by whoever acts.

    Raises:
        RetryLater: another agent holds it; says which, and since when (`agent.busy`).
        NeedsOperator: the lock file cannot be made.
    """
    path = run_directory / _FILE
    with disk_errors(f"make the lock file {path}"):
        make_folder(run_directory)
        # Close-on-exec (Python's default): no child may hold the lock after the agent.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _take(handle)
        yield
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
