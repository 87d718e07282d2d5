"""The fleet's past: the census of each hour and day, and how long what was told is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select

from koprogo_agent.fleet import months, schema
from koprogo_agent.fleet.database import upsert

HOURLY, DAILY = "hour", "day"
_DAY = 86_400


class Census(NamedTuple):
    """A kind of instance that is counted.

    Attributes:
        installed: tag, or an empty string.
        state: as it reports, or `late` or `silent` where it does not.
        verified: whether the association knows it.
    """

    installed: str
    state: str
    verified: bool


class History:
    """Reads and writes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = upsert(engine)

    def keep_census(self, at: int, counted: Mapping[Census, int]) -> None:
        """Keeps that of an hour; the first one to be kept counts."""
        with self._engine.begin() as connection:
            if not self._counted(connection, HOURLY, at):
                self._keep(connection, HOURLY, at, counted)

    def census(self, span: str, since: int) -> dict[int, dict[Census, int]]:
        """Moment -> what was counted then."""
        table, found = schema.census, defaultdict[int, dict[Census, int]](dict)
        query = select(table).where(table.c.span == span, table.c.at >= since).order_by(table.c.at)
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                found[row.at][Census(row.installed, row.state, row.verified)] = row.instances
        return dict(found)

    def tidy(self, now: datetime, kept: timedelta) -> None:
        """Makes days of hours that are over, and forgets hours and transitions that are old."""
        oldest = int((now - kept).timestamp())
        with self._engine.begin() as connection:
            self._make_days(connection, int(now.timestamp()))
            census, told = schema.census, schema.transition
            old = (census.c.span == HOURLY) & (census.c.at < oldest)
            connection.execute(census.delete().where(old))
            if months.has_months(connection):
                months.drop_months(connection, now, kept)
                months.make_months(connection, now, kept)
            connection.execute(told.delete().where(told.c.received < oldest))

    def _make_days(self, connection: Connection, now: int) -> None:
        """The mean of a day's hours, once all of them are over; each is counted in."""
        table = schema.census
        day = table.c.at - table.c.at % _DAY
        over = now - now % _DAY
        hours = select(table.c.at).where(table.c.span == HOURLY, table.c.at < over).distinct()
        days = sorted({at - at % _DAY for (at,) in connection.execute(hours)})
        for at in days:
            if self._counted(connection, DAILY, at):
                continue
            of_day = (table.c.span == HOURLY) & (day == at)
            counted = select(func.count(table.c.at.distinct())).where(of_day)
            hours_counted = connection.execute(counted).scalar_one()
            kinds = (table.c.installed, table.c.state, table.c.verified)
            sums = select(*kinds, func.sum(table.c.instances)).where(of_day).group_by(*kinds)
            means = {
                Census(installed, state, verified): round(total / hours_counted)
                for installed, state, verified, total in connection.execute(sums)
            }
            self._keep(connection, DAILY, at, means)

    def _counted(self, connection: Connection, span: str, at: int) -> bool:
        table = schema.census
        query = select(table.c.at).where(table.c.span == span, table.c.at == at).limit(1)
        return connection.execute(query).first() is not None

    def _keep(
        self, connection: Connection, span: str, at: int, counted: Mapping[Census, int]
    ) -> None:
        rows = [
            {"span": span, "at": at, **kind._asdict(), "instances": number}
            for kind, number in counted.items()
        ]
        if rows:
            connection.execute(self._insert(schema.census).on_conflict_do_nothing(), rows)
