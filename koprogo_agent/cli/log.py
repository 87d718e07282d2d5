"""Where a verb's log goes: to the system's log, beside the daemon's; the terminal is the verb's."""

from __future__ import annotations

import io
import os
import socket
from contextlib import suppress

from typing_extensions import Buffer

from koprogo_agent import logs
from koprogo_agent.settings import Settings

_ADDRESS = "/dev/log"
_SECONDS = 1.0
_PRIORITY = 14  # user.info, RFC 3164


class SystemLog(io.RawIOBase):
    """What is written to it, a line at a time, goes to syslog(3); where there is none, nowhere."""

    def writable(self) -> bool:
        """It can be written to, and nothing else."""
        return True

    def write(self, line: Buffer) -> int:
        """Sends one line."""
        said = bytes(line)
        message = b"<%d>koprogo-agent[%d]: %s" % (_PRIORITY, os.getpid(), said.rstrip())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.settimeout(_SECONDS)
            link.sendto(message, _ADDRESS)
        return len(said)


def configure(settings: Settings) -> None:
    """Sends what is logged while a verb is at work to the system's log."""
    stream = io.TextIOWrapper(io.BufferedWriter(SystemLog()))
    logs.configure(settings.log.level, secrets=settings.secrets, stream=stream)
