"""What a program of the host may do before it is killed."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from time import monotonic

import pytest

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.process import TimedOut, TooMuchOutput, run

ENV = {"PATH": os.defpath}


def test_gives_the_exit_code_and_both_streams() -> None:
    """The ordinary case: all that was printed, apart, and how it ended."""
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], env=ENV, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_inherits_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the agent (a secret, or GIT_DIR) does not reach the program."""
    monkeypatch.setenv("KOPROGO_SECRET", "hush")
    done = run(["env"], env={**ENV, "SAID": "yes"}, timeout=10)
    assert b"SAID=yes" in done.stdout
    assert b"KOPROGO_SECRET" not in done.stdout


def test_a_large_input_cannot_block(tmp_path: Path) -> None:
    """More than a pipe holds goes in while as much comes out."""
    content = b"x" * (1 << 20)
    done = run(["cat"], env=ENV, timeout=10, stdin=content, limit_output=2 << 20, cwd=tmp_path)
    assert done.stdout == content


def test_without_input_there_is_an_end_at_once() -> None:
    """A program that asks a question (a password) gets no answer, rather than waiting for one."""
    assert run(["cat"], env=ENV, timeout=10).stdout == b""


def test_what_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """The whole group dies, also a child that ignores the first signal."""
    mark = tmp_path / "pid"
    script = f"(trap '' TERM; echo $$ ; exec sleep 60) & echo $! > {mark}; echo started; wait"
    began = monotonic()
    with pytest.raises(TimedOut, match=r"did not end within 0\.5 s") as caught:
        run(["sh", "-c", script], env=ENV, timeout=0.5)
    assert monotonic() - began < 30
    assert b"started" in caught.value.stdout
    assert _dies(int(mark.read_text()))


def test_endless_output_is_cut_off() -> None:
    """A server that never stops sending does not fill the agent's memory."""
    with pytest.raises(TooMuchOutput, match="more than 1000 bytes") as caught:
        run(["yes"], env=ENV, timeout=10, limit_output=1000)
    assert len(caught.value.stdout) == 1000


def test_a_missing_program_is_named() -> None:
    """The operator learns what to install."""
    with pytest.raises(NeedsOperator, match="cannot find the program no-such-tool") as caught:
        run(["no-such-tool"], env=ENV, timeout=10)
    assert caught.value.code == "program.missing"


def test_a_program_does_not_outlive_a_killed_agent(tmp_path: Path) -> None:
    """After kill -9 nothing that the agent had started goes on acting."""
    mark = tmp_path / "pid"
    script = f"echo $$ > {mark}; kill -9 $PPID; exec sleep 60"
    agent = (
        f"from koprogo_agent.process import run; run(['sh','-c',{script!r}],env={ENV!r},timeout=50)"
    )
    done = run([sys.executable, "-c", agent], env=ENV, timeout=30, cwd=Path.cwd())
    assert done.returncode == -9
    assert _dies(int(mark.read_text()))


def test_a_service_leaves_that_to_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """One program less for each command; the variable means nothing to whoever inherited it."""
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    # PR_GET_PDEATHSIG of prctl(2)
    asked = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n))"
    program = [sys.executable, "-c", f"{asked}; print(n.value)"]
    assert run(program, env=ENV, timeout=10).stdout == b"0\n"
    monkeypatch.setenv("SYSTEMD_EXEC_PID", "1")
    assert run(program, env=ENV, timeout=10).stdout == b"9\n"


def _dies(pid: int) -> bool:
    """Whether a process that is no child of ours is dead, or is so within seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 5)[0])
    finally:
        os.close(descriptor)
