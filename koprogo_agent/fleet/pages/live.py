"""Tells open pages when the fleet has changed: one look a second for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import StreamingResponse

from koprogo_agent.fleet.pages.looks import HEADERS

_SIGN_OF_LIFE = 20.0
"""Seconds after which a silent stream says something, so that nothing in between ends it."""
_MOST = 500
"""Streams at once."""


class Live:
    """The stream of one server."""

    def __init__(self, revision: Callable[[], int]) -> None:
        """Takes what gives a number that rises when something has changed."""
        self._revision = revision
        self._seen = revision()
        self._changed = asyncio.Event()
        self._open = 0
        self._is_over = False

    async def look(self) -> None:
        """Wakes everybody if something has changed since the last look, or all is over."""
        revision = self._revision()
        if revision != self._seen or self._is_over:
            self._seen = revision
            self._wake()

    def end(self) -> None:
        """Lets all streams end at the next look: the server waits for them when it stops."""
        self._is_over = True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, request: Request) -> StreamingResponse:
        """A stream of events named `fleet`; at once one, if there is news `since` a revision."""
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        now = str(self._revision())
        is_behind = request.query_params.get("since", now) != now
        events = self._events(-1 if is_behind else self._seen)
        return StreamingResponse(events, 200, headers, "text/event-stream")

    async def _events(self, told: int) -> AsyncIterator[str]:
        if self._open >= _MOST:
            return
        self._open += 1
        try:
            yield ": here\n\n"
            while not self._is_over:
                changed = self._changed
                if told != self._seen:
                    told = self._seen
                    yield f"event: fleet\ndata: {told}\n\n"
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), _SIGN_OF_LIFE)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._open -= 1
