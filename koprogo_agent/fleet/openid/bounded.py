"""Asks other servers for something, and gives their answers neither time nor space."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx

from koprogo_agent.errors import Refused

_LARGEST = 256 * 1024


def bounds(seconds: float, fault: str) -> dict[str, Any]:
    """What makes an httpx client careful; redirects it does not follow anyway.

    Args:
        seconds: for each step of a request; whoever waits for the whole needs a limit of its own.
        fault: code of the `Refused` that an answer without bounds raises.
    """

    async def bound(answer: httpx.Response) -> None:
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise Refused("the answer is compressed, unasked", code=fault)
        if isinstance(answer.stream, httpx.AsyncByteStream):
            answer.stream = _Bounded(answer.stream, fault)

    return {
        "headers": {"Accept-Encoding": "identity"},
        "timeout": seconds,
        "event_hooks": {"response": [bound]},
        # Made once: to read the authorities takes longer than a request.
        "verify": httpx.create_ssl_context(),
    }


class _Bounded(httpx.AsyncByteStream):
    """A body that ends before it is too large."""

    def __init__(self, body: httpx.AsyncByteStream, fault: str) -> None:
        self._body = body
        self._fault = fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for part in self._body:
            taken += len(part)
            if taken > _LARGEST:
                raise Refused("the answer is too large", code=self._fault)
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()
