"""A WebSocket that sends back what it gets (RFC 6455), as far as a test needs it."""

from __future__ import annotations

import asyncio
import base64
import hashlib

PATH = "/api/v1/echo"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL_TEXT = 0x81
_SHORT = 0x7F


def accepted(key: str) -> bytes:
    """The answer to an upgrade request with this `Sec-WebSocket-Key`."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n\r\n"
    ).encode()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send short frames back until the client goes away."""
    while True:
        head = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(head[1] & _SHORT)
        said = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
        writer.write(bytes((_FINAL_TEXT, len(said))) + said)
        await writer.drain()
