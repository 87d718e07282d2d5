"""A user with a WebSocket to the stack, who connects anew whenever it is cut off."""

from __future__ import annotations

import base64
import os
import socket
import threading
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Self

from tests.lab.stack import Stack

_PATH = "/api/v1/echo"
_SECONDS = 60.0
_PAUSE = 0.1


@dataclass(frozen=True)
class Connected:
    """One life of the socket.

    Attributes:
        status: of the answer to the upgrade request; 0 where none came.
        echoes: how many messages came back.
    """

    status: int
    echoes: int


class WebSocketUser:
    """Sends a short message ten times a second inside a `with` block.

    Attributes:
        lives: the connections that ended so far, in order.
    """

    def __init__(self, stack: Stack) -> None:
        """Through the stack's ingress, by the host name of its API."""
        self._stack = stack
        self._ended = threading.Event()
        self._echoes = 0
        self._thread = threading.Thread(target=self._live, daemon=True)
        self.lives: list[Connected] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._ended.set()
        self._thread.join()

    @property
    def echoes(self) -> int:
        """How many messages came back in all."""
        return self._echoes

    def _live(self) -> None:
        while not self._ended.is_set():
            before, status = self._echoes, 0
            try:
                with closing(self._connect()) as connection:
                    status = _status(connection)
                    if status == HTTPStatus.SWITCHING_PROTOCOLS:
                        self._talk(connection)
            except OSError:
                pass
            self.lives.append(Connected(status, self._echoes - before))
            self._ended.wait(_PAUSE)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._stack.http_port), _SECONDS)
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET {_PATH} HTTP/1.1\r\nHost: {self._stack.api_domain}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        return connection

    def _talk(self, connection: socket.socket) -> None:
        """Until it is cut off, or the user hangs up."""
        said = b"hello"
        while not self._ended.wait(_PAUSE):
            # With a mask of zeros the text is sent as it is.
            connection.sendall(bytes((0x81, 0x80 | len(said), 0, 0, 0, 0)) + said)
            if _exactly(connection, 2 + len(said))[2:] != said:
                return
            self._echoes += 1


def _status(connection: socket.socket) -> int:
    """Of the answer, whose head is read to its end and not further."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += _exactly(connection, 1)
    return int(head.split(b" ", 2)[1])


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise ConnectionResetError("cut off")
        found += piece
    return found
