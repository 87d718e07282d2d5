"""What is done at every hour: counting the fleet, and forgetting what is kept for long enough."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import time

from koprogo_agent import logs
from koprogo_agent.fleet.history import Census, History
from koprogo_agent.fleet.instances import Instance, Presence
from koprogo_agent.fleet.settings import FleetSettings

log = logs.get_logger()

HOUR = 3600
_LATE = 300.0
"""Seconds after the full hour: who has just begun to serve must have heard of everybody first."""


def count(instances: Iterable[Instance], now: int, interval: int) -> Counter[Census]:
    """How many there are of each kind. Those who do not report are counted as that."""
    return Counter(_kind(one, one.presence(now, interval)) for one in instances)


def _kind(one: Instance, presence: Presence) -> Census:
    state = str(one.stand.state) if presence is Presence.REPORTING else str(presence)
    return Census(one.stand.installed or "", state, verified=one.verified)


class Upkeep:
    """Does it, beside the server."""

    def __init__(
        self, settings: FleetSettings, history: History, known: Mapping[str, Instance]
    ) -> None:
        self._settings = settings
        self._history = history
        self._known = known

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Meanwhile it is done when it is due; there is room before the first report comes."""
        await self._do(lambda: self.tidy(datetime.now(UTC)))
        task = asyncio.create_task(self._keep_up())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(HOUR - time() % HOUR + _LATE)
            await self._do(lambda: self.count(int(time())))
            await self._do(lambda: self.tidy(datetime.now(UTC)))

    async def _do(self, what: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(what)
        except Exception:  # done again at the next hour; reports are taken meanwhile
            log.exception("upkeep.failed")

    def count(self, now: int) -> None:
        """Writes the census of this hour down, unless another process has."""
        counted = count(list(self._known.values()), now, self._settings.interval)
        self._history.keep_census(now - now % HOUR, counted)

    def tidy(self, now: datetime) -> None:
        """Makes room for what is to come, and forgets what is old."""
        self._history.tidy(now, timedelta(days=self._settings.keep_days))
