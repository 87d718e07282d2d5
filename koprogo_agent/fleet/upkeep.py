"""What is done at every minute and hour: counting the fleet, and forgetting what is old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import time

from sqlalchemy import Engine

from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.rounds import Round, at_each, going
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.sharing import Sharing
from koprogo_agent.fleet.store.history import History
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.fleet.store.outcomes import Outcomes

_MINUTE, _HOUR = 60, 3600
_LATER = 300
"""Seconds after the full hour, when a day's last hour was counted."""
_ABSENT = frozenset({Presence.SILENT, Presence.LEFT})


class Upkeep:
    """Does it, beside the server."""

    def __init__(self, settings: FleetSettings, engine: Engine, sharing: Sharing) -> None:
        self._kept = timedelta(days=settings.keep_days)
        self._history = History(engine)
        self._outcomes = Outcomes(engine)
        self._store = Store(engine)
        self._sharing = sharing

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Meanwhile it is done when it is due; there is room before the first report comes."""
        await self._tidy()
        async with going(
            Round("count", self._count, at_each(_MINUTE)),
            Round("tidy", self._tidy, at_each(_HOUR, _LATER)),
            Round("forget", self._forget, at_each(_HOUR, 2 * _LATER)),
        ):
            yield

    async def _count(self) -> None:
        counts = self._sharing.known.counts()
        await asyncio.to_thread(self._history.keep_census, int(time()), counts)

    async def _forget(self) -> None:
        now = int(time())
        absent = self._sharing.known.some(lambda kind: kind.presence in _ABSENT)
        for name in [row.instance.id for row in absent if row.instance.is_bygone(now)]:
            self._sharing.forget(name)
            await asyncio.to_thread(self._store.erase, name)

    async def _tidy(self) -> None:
        await asyncio.to_thread(self._history.tidy, datetime.now(UTC), self._kept)
        for release in self._sharing.releases.named:
            await asyncio.to_thread(self._outcomes.coarsen, release, int(time()))
