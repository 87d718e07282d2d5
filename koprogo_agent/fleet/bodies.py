"""What clients send, of which no more is read, and for no longer, than is of use."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from koprogo_agent.errors import Refused

_SECONDS = 10.0
"""Within which all of a request must have come."""


async def read_body(request: Request, limit: int) -> bytes:
    """The content; of one that is too long, a little more than the limit.

    Raises:
        Refused: not all of it came in time (code `report.truncated`).
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    break
    except (TimeoutError, ClientDisconnect) as error:
        raise Refused("not all of the request came", code="report.truncated") from error
    return bytes(body)
