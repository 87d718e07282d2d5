"""Only one agent acts at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from koprogo_agent.adapters.lock import agent_lock
from koprogo_agent.errors import NeedsOperator, RetryLater

HOLDER = """
import sys
from pathlib import Path
from koprogo_agent.adapters.lock import agent_lock
with agent_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
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


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A symlink in the lock's place is not followed, and a person is asked."""
    (tmp_path / "agent.lock").symlink_to("/etc/hostname")
    with pytest.raises(NeedsOperator), agent_lock(tmp_path):
        pass
