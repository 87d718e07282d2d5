"""What goes over a connection: counted by the kernel, and slowed down on demand."""

from __future__ import annotations

import io
import socket
import struct
import time
from dataclasses import dataclass

from typing_extensions import Buffer

# Offsets in Linux's struct tcp_info (uapi/linux/tcp.h): the payload below TLS, both ways.
TCP_INFO_BYTES = 216
RECEIVED_AT = 128
SENT_AT = 200
SENT_AGAIN_AT = 208


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over the wire: requests, and TCP payload bytes as the client sees them."""

    requests: int
    to_client: int
    from_client: int

    @property
    def bytes(self) -> int:
        """Both ways together."""
        return self.to_client + self.from_client

    def __sub__(self, earlier: Traffic) -> Traffic:
        return Traffic(
            self.requests - earlier.requests,
            self.to_client - earlier.to_client,
            self.from_client - earlier.from_client,
        )


class Throttled(io.BufferedIOBase):
    """A writer that lets through only so many bytes a second."""

    def __init__(self, out: io.BufferedIOBase, bytes_per_second: int) -> None:
        """Write to `out`."""
        self._out = out
        self._rate = bytes_per_second

    def write(self, data: Buffer, /) -> int:
        """Write all of it, however long that takes."""
        whole = memoryview(data)
        step = max(1, self._rate // 20)
        for start in range(0, len(whole), step):
            piece = whole[start : start + step]
            self._out.write(piece)
            # The fault is the waiting itself: there is no condition to wait for.
            time.sleep(len(piece) / self._rate)
        return len(whole)

    def flush(self) -> None:
        """Pass on."""
        self._out.flush()


def payload(connection: socket.socket) -> tuple[int, int]:
    """Bytes sent and received on a connection, TLS records included, TCP headers not.

    Each counts once: on a busy machine the kernel may send again what had arrived all the same.
    """
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        sent: int = struct.unpack_from("=Q", info, SENT_AT)[0]
        again: int = struct.unpack_from("=Q", info, SENT_AGAIN_AT)[0]
        received: int = struct.unpack_from("=Q", info, RECEIVED_AT)[0]
    except (OSError, struct.error):
        return 0, 0
    return sent - again, received
