"""Runs a program in a container, its standard streams moved in both directions at once.

The engine multiplexes standard output and error into frames over one hijacked connection. What is
read here becomes a backup, so a byte that gets lost must show: a stream that ends inside a frame is
an error, and the program's own exit code is asked for afterwards.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from koprogo_agent import docker_api
from koprogo_agent.errors import RetryLater

_CHUNK = 1 << 18
_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_COMPLAINTS = 1 << 14

# The program waits for one line before it begins: what it sends at once could be lost.
_BEGIN_AT_A_LINE = ("sh", "-c", 'read -r begin && exec "$@"', "sh")


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        exit_code: its exit code.
        complaints: the end of what it wrote to standard error.
    """

    exit_code: int
    complaints: str


@dataclass(frozen=True)
class Program:
    """What to run, and for how long.

    Attributes:
        argv: the program and its arguments; never a secret.
        environment: added to the container's own.
        patience: seconds without a byte in either direction after which it is given up.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    patience: float


class Frames:
    """Takes the multiplexed stream apart; payloads are passed on as they come."""

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0

    @property
    def whole(self) -> bool:
        """Whether the bytes so far end at the end of a frame."""
        return not self._left and not self._header

    def split(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The payloads in the next bytes of the stream, each with the stream's number."""
        while data:
            if not self._left:
                missing = _HEADER.size - len(self._header)
                self._header, data = self._header + data[:missing], data[missing:]
                if len(self._header) == _HEADER.size:
                    self._stream, self._left = _HEADER.unpack(self._header)
                    self._header = b""
                continue
            payload, data = data[: self._left], data[self._left :]
            self._left -= len(payload)
            yield self._stream, payload


def run(
    host: str,
    container: str,
    program: Program,
    feed: Iterable[bytes],
    take: Callable[[bytes], None],
) -> Ended:
    """Runs a program in a container to its end.

    Args:
        host: the engine's address.
        container: the container's id.
        program: what to run.
        feed: its standard input; not read further once the program has closed it.
        take: gets its standard output.

    Raises:
        RetryLater: engine or container went away (`database.down`), or nothing moved for as long
            as the patience lasts (`database.stalled`). The program may then still run.
    """
    with docker_api.client(host) as api:
        handle = api.exec_create(
            container,
            [*_BEGIN_AT_A_LINE, *program.argv],
            stdin=True,
            environment=dict(program.environment),
        )["Id"]
        with docker_api.attached(host, handle) as link:
            link.settimeout(0)
            complaints = _Pump(link, feed, take, program.patience).move()
        return Ended(docker_api.exit_code(api, handle), complaints)


class _Pump:
    def __init__(
        self,
        link: socket.socket,
        feed: Iterable[bytes],
        take: Callable[[bytes], None],
        patience: float,
    ) -> None:
        self._link = link
        self._feed = iter(feed)
        self._take = take
        self._patience = patience
        self._outgoing = memoryview(b"\n")
        self._feeding = True
        self._frames = Frames()
        self._complaints = b""

    def move(self) -> str:
        """Moves bytes until the program has closed its output; gives what it complained of."""
        poll = select.poll()
        moved, open_ = monotonic(), True
        while open_:
            poll.register(self._link, select.POLLIN | (select.POLLOUT if self._feeding else 0))
            left = moved + self._patience - monotonic()
            events = poll.poll(max(0.0, left) * 1000)
            if not events:
                raise RetryLater(
                    f"the database sent and took nothing for {self._patience:g} s",
                    code="database.stalled",
                )
            moved = monotonic()
            happened = events[0][1]
            if happened & select.POLLOUT and self._feeding:
                self._send()
            if happened & ~select.POLLOUT:
                open_ = self._receive()
        if not self._frames.whole:
            raise RetryLater("the engine broke off in the middle", code="database.down")
        return self._complaints.decode(errors="replace").strip()

    def _send(self) -> None:
        if not self._outgoing:
            self._outgoing = memoryview(next(self._feed, b""))
        try:
            if self._outgoing:
                self._outgoing = self._outgoing[self._link.send(self._outgoing) :]
            else:
                self._feeding = False
                self._link.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._feeding = False  # it does not want more; its exit code says why

    def _receive(self) -> bool:
        try:
            data = self._link.recv(_CHUNK)
        except BlockingIOError:
            return True
        for stream, payload in self._frames.split(data):
            if stream == _STDERR:
                self._complaints = (self._complaints + payload)[-_COMPLAINTS:]
            else:
                self._take(payload)
        return bool(data)
