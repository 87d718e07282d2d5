"""Runs a program of this host, within limits of time and output.

Every limit is fatal to the program and to all it started: a registry or git server that never
answers, or never stops answering, must not hold an unattended daemon or fill its memory.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from koprogo_agent.errors import NeedsOperator

DEFAULT_LIMIT = 1 << 20
_CHUNK = 1 << 16
_MAIN_PROCESS = "SYSTEMD_EXEC_PID"
"""Holds the main process of a service; whoever inherited it is another one (systemd.exec(5))."""
_GRACE = 2.0
"""Seconds between SIGTERM, upon which git removes its half-made files, and SIGKILL."""


@dataclass(frozen=True)
class Completed:
    """A program that ended by itself: its exit code, and all that it printed.

    Attributes:
        returncode: the exit code, or minus the signal that ended it.
        stdout: bytes of its standard output.
        stderr: bytes of its standard error.
    """

    returncode: int
    stdout: bytes
    stderr: bytes


class Overrun(Exception):
    """A program went beyond a limit, and was killed with all that it had started.

    Attributes:
        stdout: what it had printed on standard output until then.
        stderr: the same of standard error.
    """

    def __init__(self, message: str, *, stdout: bytes, stderr: bytes) -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr


class TimedOut(Overrun):
    """The program did not end within its time."""


class TooMuchOutput(Overrun):
    """The program printed more than it may."""


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    limit_output: int = DEFAULT_LIMIT,
    cwd: Path | None = None,
    stdin: bytes = b"",
) -> Completed:
    """Runs a program to its end.

    Args:
        argv: the program, looked up on the PATH of `env`, and its arguments; never a secret.
        env: the whole environment of the program; nothing is inherited.
        timeout: seconds after which it is killed.
        limit_output: bytes that each of its two streams may carry.
        cwd: where it runs; the agent's own folder when absent.
        stdin: what it may read.

    Raises:
        TimedOut: it did not end in time.
        TooMuchOutput: it printed too much.
        NeedsOperator: the program is not there, or may not be run (code `program.missing`).
    """
    deadline = monotonic() + timeout
    with _spawned(argv, env, cwd, stdin) as child:
        streams = _Streams(argv[0], child, limit_output)
        try:
            streams.drain(deadline)
            returncode = child.wait(max(0.0, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            message = f"{argv[0]} did not end within {timeout:g} s"
            raise TimedOut(message, stdout=streams.stdout, stderr=streams.stderr) from None
        return Completed(returncode, streams.stdout, streams.stderr)


class _Streams:
    """What a child prints, collected until it closes both streams."""

    def __init__(self, program: str, child: subprocess.Popen[bytes], limit: int) -> None:
        if child.stdout is None or child.stderr is None:
            raise ValueError("the child's streams must be pipes")
        self._program = program
        self._limit = limit
        self._parts = {child.stdout: bytearray(), child.stderr: bytearray()}
        self._pipes: tuple[IO[bytes], IO[bytes]] = (child.stdout, child.stderr)

    @property
    def stdout(self) -> bytes:
        return bytes(self._parts[self._pipes[0]])

    @property
    def stderr(self) -> bytes:
        return bytes(self._parts[self._pipes[1]])

    def drain(self, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                remaining = deadline - monotonic()
                if remaining <= 0:
                    raise subprocess.TimeoutExpired(self._program, 0)
                for key, _ in selector.select(remaining):
                    if not self._take(key.fd):
                        selector.unregister(key.fileobj)

    def _take(self, descriptor: int) -> bool:
        """Takes what is there; says whether more may come."""
        chunk = os.read(descriptor, _CHUNK)
        part = next(part for pipe, part in self._parts.items() if pipe.fileno() == descriptor)
        part += chunk
        if len(part) > self._limit:
            raise TooMuchOutput(
                f"{self._program} printed more than {self._limit} bytes",
                stdout=self.stdout[: self._limit],
                stderr=self.stderr[: self._limit],
            )
        return bool(chunk)


@contextmanager
def _spawned(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None, stdin: bytes
) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if program is None:
        raise NeedsOperator(
            f"cannot find the program {argv[0]}",
            code="program.missing",
            advice=f"install {argv[0]}, or put it on the PATH",
        )
    with _readable(stdin) as source:
        child = subprocess.Popen(
            [*_dying_with_us(env), program, *argv[1:]],
            env=dict(env),
            cwd=cwd,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    with child:
        try:
            yield child
        finally:
            if child.returncode is None:
                _kill_group(child)


@contextmanager
def _readable(content: bytes) -> Iterator[int]:
    """A descriptor that gives the content: a file in memory, so that no write can block."""
    with os.fdopen(os.memfd_create("stdin"), "wb") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file.fileno()


def _dying_with_us(env: Mapping[str, str]) -> tuple[str, ...]:
    """A prefix that has the kernel kill the program when the agent dies.

    After `kill -9` the next agent must not act while a `compose up` of the last one still does. A
    service of systemd needs none: its cgroup is emptied before it is started again.
    """
    if os.environ.get(_MAIN_PROCESS) == str(os.getpid()):
        return ()
    setpriv = shutil.which("setpriv", path=env.get("PATH", os.defpath))
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # not only the leader: a child of it may have ignored the first signal
        _signal_if_there(child.pid, signal.SIGKILL)
        child.wait()


def _signal_if_there(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
