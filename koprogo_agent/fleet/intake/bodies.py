"""What clients send, of which no more is read, and for no longer, than is of use."""

from __future__ import annotations

import asyncio

from starlette.types import Receive

from koprogo_agent.errors import Refused

_SECONDS = 10.0
"""Within which all of a request must have come."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The content; of one that is too long, a little more than the limit.

    Raises:
        Refused: not all of it came in time (code `report.truncated`).
    """
    body, is_whole = bytearray(), False
    try:
        async with asyncio.timeout(_SECONDS):
            while not is_whole and len(body) <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _truncated()
                body += message.get("body", b"")
                is_whole = not message.get("more_body", False)
    except TimeoutError as error:
        raise _truncated() from error
    return bytes(body)


def _truncated() -> Refused:
    return Refused("not all of the request came", code="report.truncated")
