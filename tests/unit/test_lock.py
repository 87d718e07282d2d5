"""Only one agent acts at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from koprogo_agent.adapters.lock import agent_lock, awaiting_lock, give_way
from koprogo_agent.errors import NeedsOperator, RetryLater
from tests.lab.processes import wait_until

HOLDER = """
import sys
from pathlib import Path
from koprogo_agent.adapters.lock import agent_lock
with agent_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

RESTLESS = """
import sys, time
from pathlib import Path
from koprogo_agent.adapters.lock import agent_lock, give_way
from koprogo_agent.errors import RetryLater
there = Path(sys.argv[1])
while True:
    try:
        give_way(there)
        with agent_lock(there):
            print("held", flush=True)
            time.sleep(0.2)
    except RetryLater:
        pass
"""


def test_a_second_agent_is_told_who_is_at_work(tmp_path: Path) -> None:
    """Another process that holds the lock is named; killed, it holds it no more."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RetryLater) as caught, agent_lock(tmp_path):
            pass
        assert caught.value.code == "agent.busy"
        assert f"pid {other.pid} since 20" in caught.value.message
        other.kill()
        other.wait()
        with agent_lock(tmp_path):
            assert f"pid {os.getpid()} " in (tmp_path / "agent.lock").read_text()


def test_within_one_process(tmp_path: Path) -> None:
    """Two threads of one daemon exclude each other too, and the lock is free afterwards."""
    with (
        agent_lock(tmp_path / "run"),
        pytest.raises(RetryLater),
        agent_lock(tmp_path / "run"),
    ):
        pass
    with agent_lock(tmp_path / "run"):
        pass


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    """A child that outlives its agent does not keep the next agent out."""
    with agent_lock(tmp_path):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with agent_lock(tmp_path):
            pass
    finally:
        child.kill()
        child.communicate()


def test_whoever_gives_way_begins_nothing_while_somebody_waits(tmp_path: Path) -> None:
    """Several may wait at once; the last of them to go lets the daemon in again."""
    with awaiting_lock(tmp_path):
        with awaiting_lock(tmp_path), pytest.raises(RetryLater) as caught:
            give_way(tmp_path)
        assert caught.value.code == "agent.busy"
        with pytest.raises(RetryLater):
            give_way(tmp_path)
        with agent_lock(tmp_path):
            pass
    give_way(tmp_path)


def test_a_person_gets_in_between_polls_without_end(tmp_path: Path) -> None:
    """A daemon that takes the lock again as soon as it has let go keeps nobody out."""
    with subprocess.Popen(
        [sys.executable, "-c", RESTLESS, tmp_path], stdout=subprocess.PIPE
    ) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"held\n"
            with awaiting_lock(tmp_path):
                wait_until(lambda: is_free(tmp_path), 30, "the lock")
        finally:
            daemon.kill()


def is_free(run_directory: Path) -> bool:
    """Whether the lock could be had just now."""
    try:
        with agent_lock(run_directory):
            return True
    except RetryLater:
        return False


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A symlink in the lock's place is not followed, and a person is asked."""
    (tmp_path / "agent.lock").symlink_to("/etc/hostname")
    with pytest.raises(NeedsOperator), agent_lock(tmp_path):
        pass
