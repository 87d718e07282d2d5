"""Keeps what this process knows of the fleet in step with time, and with the other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from time import time

from msgspec.structs import replace
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
        # Whatever they tell of was written down before, and so it is read after them.
        told = self._bulletins.read(now)
        last = self.outages.last()
        self.known = Known(store.instances(), settings.interval, now, last)
        self._news: dict[str, What] = {}
        for entry in told:
            self._heard(entry, now)

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
            Round("time", self._pass_time, every(1)), Round("share", self.exchange, every(EVERY))
        ):
            yield
        await self.exchange()

    async def _pass_time(self) -> None:
        self.known.pass_time(int(time()))

    async def exchange(self) -> None:
        """Tells the other processes what this one has heard, and hears what they have.

        Raises:
            DBAPIError: it could not be told; nothing of it is lost, and it is told the next time.
        """
        now = int(time())
        news, self._news = self._news, {}
        entries = [self._entry(name, what, now) for name, what in news.items()]
        try:
            told, there = await asyncio.to_thread(self._tell_and_hear, entries, now)
        except BaseException:
            # Told and read once more: that changes nothing for those who have heard it.
            since, self._news = self._news, news
            for name, what in since.items():
                self._tell(name, what)
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
            known, read = self.known.get(entry.instance), there.get(entry.instance)
            if entry.what is What.ERASED:
                # Unless it has come back since.
                if known is not None and known.enrolled <= entry.seen:
                    self.known.forget(entry.instance)
                continue
            if read is not None and (known is None or read.sequence >= known.sequence):
                self.known.put(read, now)
            self._heard(entry, now)

    def _heard(self, entry: Entry, now: int) -> None:
        known = self.known.get(entry.instance)
        if known is not None and known.sequence < entry.sequence:
            self.known.put(replace(known, seen=entry.seen, sequence=entry.sequence), now)

    def _tell(self, name: str, what: What) -> None:
        """The last word counts; but what has changed has changed, whatever is heard after it."""
        if what is not What.HEARD or name not in self._news:
            self._news[name] = what
