"""A container's own healthcheck, run by the agent.

The engine comes to it after its interval at the soonest, which may be half a minute, and users may
be waiting for the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.compose.containers import details
from koprogo_agent.errors import RetryLater

if TYPE_CHECKING:
    import socket

_CHUNK = 1 << 16
_NANOSECONDS = 1e9
_DEFAULT_SECONDS = 30.0
"""What the engine grants a check that does not say how long it may take."""


def passes(host: str, container: str) -> bool:
    """Whether it passes; False too where there is none, or nothing runs that could be asked."""
    told = details(host, container)
    if told is None or not told["State"]["Running"]:
        return False
    argv = command(told["Config"])
    if not argv:
        return False
    seconds = told["Config"]["Healthcheck"].get("Timeout", 0) / _NANOSECONDS or _DEFAULT_SECONDS
    return _run(host, container, argv, seconds)


def command(config: Mapping[str, Any]) -> list[str]:
    """What the engine would run for a container of this configuration; empty for nothing."""
    match (config.get("Healthcheck") or {}).get("Test") or []:
        case ["CMD", *argv]:
            return argv
        case ["CMD-SHELL", line]:
            return [*(config.get("Shell") or ("/bin/sh", "-c")), line]
        case _:
            return []


def _run(host: str, container: str, argv: list[str], seconds: float) -> bool:
    from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need

    with docker_api.client(host) as api:
        try:
            handle = api.exec_create(container, argv)["Id"]
            with docker_api.attached(host, handle) as link:
                ended = _ends(link, seconds)
        except (APIError, RetryLater):
            # it has gone in this moment, or lacks the program
            return False
        return ended and docker_api.exit_code(api, handle) == 0


def _ends(link: socket.socket, seconds: float) -> bool:
    """Whether the program closes its output in time; what it prints is of no interest."""
    until = monotonic() + seconds
    try:
        while (left := until - monotonic()) > 0:
            link.settimeout(left)
            if not link.recv(_CHUNK):
                return True
    except TimeoutError:
        pass
    return False
