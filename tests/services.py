"""`koprogo-agent run` as systemd starts it: a process of its own, heard over a notify socket."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.instance import Instance
from tests.lab.processes import wait_until

PATIENCE = 120.0
PROMPT = 30.0
"""Seconds for a stop: one step, and what users wait for."""


@dataclass
class Service:
    """The daemon, and what it told systemd and the log so far."""

    process: subprocess.Popen[str]
    heard: list[str] = field(default_factory=list)
    logged: list[dict[str, Any]] = field(default_factory=list)

    def says(self, message: str) -> bool:
        """Whether it has told systemd this, from the beginning of a message."""
        return any(one.startswith(message) for one in self.heard)

    def logs(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log about an event."""
        return [line for line in self.logged if line.get("event") == event]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Waits until something is so; a daemon that has ended will not make it so."""

        def so_or_over() -> bool:
            assert self.process.poll() is None, self.logged[-3:]
            return condition()

        wait_until(so_or_over, PATIENCE, f"{what}; it said {self.heard[-5:]}")

    def wait_for(self, message: str) -> None:
        """Waits until it has told systemd this."""
        self.wait(lambda: self.says(message), message)

    def stop(self) -> float:
        """What `systemctl stop` does; gives the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.logged[-3:]
        return time.monotonic() - began


@contextmanager
def service(instance: Instance) -> Iterator[Service]:
    """The daemon at work; killed at the end if it has not been stopped."""
    path = instance.root / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(path))
        process = subprocess.Popen(
            [Path(sys.executable).parent / "koprogo-agent", "run"],
            env={**instance.environment, "NOTIFY_SOCKET": str(path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = Service(process)
        hears = threading.Thread(target=_hear, args=(ear, running), daemon=True)
        reads = threading.Thread(target=_read, args=(running,), daemon=True)
        hears.start()
        reads.start()
        try:
            yield running
        finally:
            process.kill()
            process.wait()
            reads.join()
            ear.shutdown(socket.SHUT_RDWR)
            hears.join()


def _hear(ear: socket.socket, running: Service) -> None:
    while message := ear.recv(4096):
        running.heard.append(message.decode())


def _read(running: Service) -> None:
    assert running.process.stdout is not None
    for line in running.process.stdout:
        try:
            running.logged.append(json.loads(line))
        except ValueError:
            running.logged.append({"event": "not JSON", "line": line})
