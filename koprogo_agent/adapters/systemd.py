"""Tells systemd how the daemon does, by the protocol of sd_notify(3).

Without systemd (a terminal, a container) there is no socket to tell, and nothing is said.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

_SECONDS = 2.0
_LONGEST_STATUS = 200


class Systemd:
    """Implements `ports.Supervisor`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Reads the variables that systemd sets for a service with Type=notify."""
        address = environment.get("NOTIFY_SOCKET", "")
        # An @ stands for the zero byte with which an abstract address begins.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = _watchdog_seconds(environment)

    @property
    def watchdog_seconds(self) -> float | None:
        """Within which time systemd wants to hear `alive`, or None when it does not watch."""
        return self._watchdog

    def ready(self) -> None:
        """The daemon has started."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The work has really progressed."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line about what is being done, for `systemctl status`."""
        # On one line: another would be read as another message.
        line = " ".join(text.split())
        self._tell(f"STATUS={line[:_LONGEST_STATUS]}")

    def stopping(self) -> None:
        """The daemon ends."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        # What is lost here shows: systemd's own time limits run out. It must not stop an update.
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link,
        ):
            link.settimeout(_SECONDS)
            link.sendto(message.encode(), self._address)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """WATCHDOG_USEC, where it is meant for this process."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID") or str(os.getpid())
    if not microseconds.isdecimal() or meant_for != str(os.getpid()) or not int(microseconds):
        return None
    return int(microseconds) / 1e6
