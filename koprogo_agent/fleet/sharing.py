"""Keeps what this process knows of the fleet in step with time, and with the other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import time

from sqlalchemy import Engine

from koprogo_agent.fleet.domain.instances import Instance
from koprogo_agent.fleet.domain.known import Known
from koprogo_agent.fleet.rounds import Round, every, going
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.store.bulletins import EVERY, Bulletins, Entry, What
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.fleet.store.outages import Outages
from koprogo_agent.fleet.store.releases import Releases


class Sharing:
    """What all processes know, as far as this one has heard.

    Attributes:
        known: every instance.
        releases: those that the association has named.
        outages: when nobody listened.
    """

    def __init__(self, settings: FleetSettings, engine: Engine, store: Store) -> None:
        now = int(time())
        self._store = store
        self._bulletins = Bulletins(engine)
        self.releases = Releases(engine)
        self.outages = Outages(engine)
        self.outages.note(self._bulletins, now)
        last = self.outages.last()
        self.known = Known(store.instances(), settings.interval, now, last)
        self._news: dict[str, What] = {}
        self._take(self._bulletins.read(now), {}, now)

    def put(self, instance: Instance, now: int, what: What) -> None:
        """A report came, and was kept where it had to be; a later one may have been faster."""
        known = self.known.get(instance.id)
        if known is not None and known.sequence > instance.sequence:
            return
        self.known.put(instance, now)
        self._tell(instance.id, what)

    def forget(self, name: str) -> None:
        """An instance is erased; the others are told as well."""
        self.known.forget(name)
        self._tell(name, What.ERASED)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Meanwhile it is kept in step; at the end, the others are told the rest."""
        await asyncio.to_thread(self._bulletins.tidy, int(time()))
        async with going(
            Round("time", self._pass_time, every(1)), Round("share", self._exchange, every(EVERY))
        ):
            yield
        await self._exchange()

    async def _pass_time(self) -> None:
        self.known.pass_time(int(time()))

    async def _exchange(self) -> None:
        now = int(time())
        news, self._news = self._news, {}
        entries = [self._entry(name, what, now) for name, what in news.items()]
        try:
            told, there = await asyncio.to_thread(self._tell_and_hear, entries, now)
        except BaseException:
            # Told and read once more: that changes nothing for those who have heard it.
            self._news = news | self._news
            self._bulletins.read_anew()
            raise
        self._take(told, there, now)

    def _tell_and_hear(
        self, entries: list[Entry], now: int
    ) -> tuple[list[Entry], dict[str, Instance]]:
        self._bulletins.publish(entries, now)
        self.releases.read()
        told = self._bulletins.read(now)
        changed = {one.instance for one in told if one.what is What.CHANGED}
        return told, {one.id: one for one in self._store.some(changed)}

    def _entry(self, name: str, what: What, now: int) -> Entry:
        known = self.known.get(name)
        if known is None:
            return Entry(name, now, 0, What.ERASED)
        return Entry(name, known.seen, known.sequence, what)

    def _take(self, told: Iterable[Entry], there: dict[str, Instance], now: int) -> None:
        for entry in told:
            known = self.known.get(entry.instance)
            if entry.what is What.ERASED:
                self.known.forget(entry.instance)
                continue
            read = there.get(entry.instance)
            if read is not None and (known is None or read.sequence >= known.sequence):
                self.known.put(read, now)
                known = read
            if known is not None and known.sequence < entry.sequence:
                heard = replace(known, seen=entry.seen, sequence=entry.sequence)
                self.known.put(heard, now)

    def _tell(self, name: str, what: What) -> None:
        self._news[name] = max(self._news.get(name, What.HEARD), what)
