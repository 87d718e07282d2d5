"""Child processes, deadlines and ports: what every real part of the lab is started with."""

from __future__ import annotations

import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue

POLL_SECONDS = 0.02
_PORTS = range(15_000, 32_000)
"""Below those that Linux gives to whoever connects: what is free now is so a second later."""


class LabError(RuntimeError):
    """Something in the lab itself did not work; never a finding about the agent."""


def wait_until(
    condition: Callable[[], bool], seconds: float, what: str, pause: float = POLL_SECONDS
) -> float:
    """Ask `condition` until it holds, LabError after `seconds`; gives the time it took.

    A `pause` of more seconds is for what costs the machine more to ask.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise LabError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)
    return time.monotonic() - started


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on now."""
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def run(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> bytes:
    """Run a command to its end and return its standard output; LabError carries its complaints."""
    done = subprocess.run(
        command, input=stdin, cwd=cwd, env=env, capture_output=True, timeout=seconds, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise LabError(f"{' '.join(command)} exited {done.returncode}: {said}")
    return done.stdout


_Birth = tuple["Future[subprocess.Popen[bytes]]", Sequence[str], Path, "Mapping[str, str] | None"]


@cache
def _births() -> SimpleQueue[_Birth]:
    """Where to ask for a daemon.

    One thread gives birth to them all, because the kernel sends the signal of `--pdeathsig` when
    the thread that forked is gone: it must live as long as this process.
    """
    births: SimpleQueue[_Birth] = SimpleQueue()

    def deliver() -> None:
        while True:
            born, command, log, env = births.get()
            try:
                born.set_result(_spawn(command, log, env))
            except OSError as error:
                born.set_exception(error)

    threading.Thread(target=deliver, daemon=True).start()
    return births


def _spawn(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=env,
            start_new_session=True,
        )


class Daemon:
    """A background process that dies with the lab, however the lab dies."""

    def __init__(
        self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Start `command`, its output appended to `log`.

        `setpriv --pdeathsig` has the kernel end it when this process is gone, even by kill -9; a
        session of its own keeps the terminal's Ctrl-C from it, so that the lab can still use it
        while it tidies up.
        """
        self.log = log
        born: Future[subprocess.Popen[bytes]] = Future()
        _births().put((born, command, log, env))
        self._process = born.result()

    @property
    def pid(self) -> int:
        """Its number, also when it has ended."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for `ready`; a process that ends meanwhile fails at once, with its last words."""

        def ready_or_dead() -> bool:
            if not self.alive:
                raise LabError(f"{self._process.args!r} ended early:\n{self.last_words()}")
            return ready()

        wait_until(ready_or_dead, seconds, f"{self._process.args!r} to be ready")

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), and wait."""
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 30) -> None:
        """Ask it to end (SIGTERM), wait, and insist after `seconds`."""
        if self.alive:
            self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
