"""A few database connections, opened when first needed and again when one breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

CONNECT_SECONDS = 5


class Pool:
    """At most `size` connections to one database, each in autocommit."""

    def __init__(self, url: str, size: int) -> None:
        """Nothing is opened yet."""
        self._url = url
        # Last in, first out: a quiet service keeps few connections warm.
        self._free: asyncio.LifoQueue[AsyncConnection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._free.put_nowait(None)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """One connection for the length of the block; a broken one is not given out again."""
        held = await self._free.get()
        try:
            if held is None or held.closed:
                held = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=CONNECT_SECONDS
                )
            yield held
        finally:
            self._free.put_nowait(None if held is None or held.closed else held)
