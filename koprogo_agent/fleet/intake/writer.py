"""Writes changes down in batches: one transaction for all that came during the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import DBAPIError

from koprogo_agent import logs
from koprogo_agent.fleet.store.instances import Change, Store

log = logs.get_logger()

_PAUSE = 0.2
"""Seconds before what could not be written is written again, once."""
_MOST = 2000
"""Changes of one transaction."""


class Writer:
    """Keeps what it is given; whoever gives it waits until it is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: asyncio.Queue[tuple[Change, asyncio.Future[None]]] = asyncio.Queue()

    async def keep(self, change: Change) -> None:
        """Returns once the change is on the disk.

        Raises:
            Exception: whatever the database said; nothing of this change is kept then.
        """
        kept = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((change, kept))
        await kept

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes meanwhile; at the end, all that was given before."""
        task = asyncio.create_task(self._write())
        try:
            yield
        finally:
            await self._waiting.join()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _write(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty() and len(batch) < _MOST:
                batch.append(self._waiting.get_nowait())
            await self._keep(batch)
            for _ in batch:
                self._waiting.task_done()

    async def _keep(self, batch: list[tuple[Change, asyncio.Future[None]]]) -> None:
        changes = [change for change, _ in batch]
        try:
            try:
                await asyncio.to_thread(self._store.keep, changes)
            except DBAPIError as error:
                # A month that is being made, a server that was started again: it passes.
                log.warning("store.again", changes=len(batch), why=str(error.orig).strip())
                await asyncio.sleep(_PAUSE)
                await asyncio.to_thread(self._store.keep, changes)
        except Exception as error:  # whoever waits is told, and the next batch may be kept
            log.exception("store.failed", changes=len(batch))
            for _, kept in batch:
                if not kept.done():
                    kept.set_exception(error)
        else:
            for _, kept in batch:
                if not kept.done():
                    kept.set_result(None)
