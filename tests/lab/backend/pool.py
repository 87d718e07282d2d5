"""A few database connections, by the rules of sqlx's pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

CONNECT_SECONDS = 5
ACQUIRE_SECONDS = 30.0
RETRY_SECONDS = 0.1
TRANSIENT = (
    *("Connection refused", "too many clients", "remaining connection slots"),
    *("is starting up", "is shutting down", "in recovery mode"),
)
"""What the server's refusals say while a connection attempt has no SQLSTATE (libpq)."""


class Pool:
    """At most `size` connections to one database, each in autocommit.

    A connection is opened when a request needs one and none is free, and stays open. sqlx tries
    again while the server refuses connections, is starting, or has too many (`PgPoolOptions`,
    `acquire_timeout`).
    """

    def __init__(self, url: str, size: int, least: int = 0) -> None:
        """Open nothing yet; `least` connections are what `fill` opens."""
        self._url = url
        self._least = least
        # Last in, first out: a quiet service keeps few connections warm.
        self._free: asyncio.LifoQueue[AsyncConnection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._free.put_nowait(None)

    async def fill(self) -> None:
        """Open the least number of connections, one after another."""
        held = [await self._free.get() for _ in range(self._least)]
        try:
            held = [each or await self._connect() for each in held]
        finally:
            for each in held:
                self._free.put_nowait(each)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """One connection for the length of the block; a broken one is not given out again."""
        held = await self._free.get()
        try:
            if held is None or held.closed:
                held = await self._connect()
            yield held
        finally:
            self._free.put_nowait(None if held is None or held.closed else held)

    async def _connect(self) -> AsyncConnection:
        async with asyncio.timeout(ACQUIRE_SECONDS):
            while True:
                try:
                    return await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, connect_timeout=CONNECT_SECONDS
                    )
                except psycopg.OperationalError as error:
                    if not any(text in str(error) for text in TRANSIENT):
                        raise
                    await asyncio.sleep(RETRY_SECONDS)
