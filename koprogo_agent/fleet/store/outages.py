"""When no server listened: what did not come then says nothing about the fleet."""

from __future__ import annotations

from sqlalchemy import Engine, select

from koprogo_agent.fleet.domain.instances import Outage
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.bulletins import Bulletins
from koprogo_agent.fleet.store.database import upsert

_LEAST = 60
"""Seconds of an outage that are worth a word: nobody notices that a server begins anew."""


class Outages:
    """Reads and writes them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = upsert(engine)

    def note(self, bulletins: Bulletins, now: int) -> None:
        """At the beginning of a server: was there any before it, and until when?"""
        last = bulletins.last()
        if last is None or now - last < _LEAST:
            return
        put = self._insert(schema.outage).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            connection.execute(put, {"began": last, "ended": now})

    def since(self, at: int) -> list[Outage]:
        """Those that ended after a moment, the newest first."""
        table = schema.outage
        query = select(table).where(table.c.ended > at).order_by(table.c.began.desc())
        with self._engine.connect() as connection:
            return [Outage(row.began, row.ended) for row in connection.execute(query)]

    def last(self) -> Outage | None:
        """The newest one, or None."""
        return next(iter(self.since(0)), None)
