"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from koprogo_agent.adapters.systemd import Systemd


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address as systemd writes it into NOTIFY_SOCKET."""
    return str(tmp_path / "notify") if request.param == "path" else f"@koprogo-{os.getpid()}"


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    """The listening end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.settimeout(5)
        yield listener


def test_every_word_arrives(systemd: socket.socket, address: str) -> None:
    """Each call is one datagram in the words of sd_notify(3)."""
    supervisor = Systemd({"NOTIFY_SOCKET": address})
    supervisor.ready()
    supervisor.alive()
    supervisor.status("v1.2.0: pull")
    supervisor.stopping()
    heard = [systemd.recv(1000) for _ in range(4)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STATUS=v1.2.0: pull", b"STOPPING=1"]


def test_a_status_is_one_line(systemd: socket.socket, address: str) -> None:
    """Text from outside cannot say READY or MAINPID in the daemon's name."""
    Systemd({"NOTIFY_SOCKET": address}).status("cannot\nMAINPID=1\r\nREADY=1" + "x" * 500)
    heard = systemd.recv(1000)
    assert heard.startswith(b"STATUS=cannot MAINPID=1 READY=1")
    assert b"\n" not in heard
    assert len(heard) < 300


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_nobody_listens(address: str) -> None:
    """Without systemd, or with a socket that is gone, nothing happens."""
    for environment in ({}, {"NOTIFY_SOCKET": address}):
        Systemd(environment).ready()


def test_a_full_queue_does_not_hold_the_daemon(systemd: socket.socket, address: str) -> None:
    """When systemd does not read, a message is given up after a moment."""
    supervisor = Systemd({"NOTIFY_SOCKET": address})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.settimeout(0)
        with suppress(BlockingIOError):
            for _ in range(100_000):
                filler.sendto(b"x", systemd.getsockname())
    supervisor.alive()
    systemd.settimeout(0)
    with suppress(BlockingIOError):
        while word := systemd.recv(10):
            assert word == b"x"


def test_the_watchdog_of_this_process() -> None:
    """WATCHDOG_USEC counts when it is meant for this process, or for any."""
    me, other = str(os.getpid()), "1"
    given = [
        {"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": me},
        {"WATCHDOG_USEC": "500000"},
        {"WATCHDOG_USEC": "500000", "WATCHDOG_PID": other},
        {"WATCHDOG_USEC": "often"},
        {"WATCHDOG_USEC": "0"},
        {},
    ]
    told = [Systemd(environment).watchdog_seconds for environment in given]
    assert told == [180.0, 0.5, None, None, None, None]
