"""The fleet's past: the census of each hour and day, and how long what was told is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, case, func, select

from koprogo_agent.fleet.domain.census import ABSENT, Census, Installed, Who
from koprogo_agent.fleet.store import months, schema
from koprogo_agent.fleet.store.database import alone, upsert

HOURLY, DAILY, MINUTELY = "hour", "day", "min"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class History:
    """Reads and writes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = upsert(engine)

    def keep_census(self, now: int, counted: Mapping[Census, int]) -> None:
        """Keeps that of this minute: the first time in an hour all of it, else what has changed.

        Of several processes, the first one to count counts.
        """
        at = now - now % _MINUTE
        with self._engine.begin() as connection:
            hour = self._last_hour(connection, at)
            if hour is None or hour < at - at % _HOUR:
                self._keep(connection, HOURLY, at, counted)
            elif hour < at and not self._counted(connection, MINUTELY, at):
                changed = _changed(self._then(connection, at), counted)
                self._keep(connection, MINUTELY, at, changed)

    def then(self, at: int) -> dict[Census, int]:
        """What was counted last at a moment; nothing where nothing was counted by then."""
        with self._engine.connect() as connection:
            return self._then(connection, at)

    def _then(self, connection: Connection, at: int) -> dict[Census, int]:
        table, hour = schema.census, self._last_hour(connection, at)
        if hour is None:
            return {}
        of_hour = (table.c.span == HOURLY) & (table.c.at == hour)
        since = (table.c.span == MINUTELY) & (table.c.at >= hour) & (table.c.at <= at)
        rows = connection.execute(select(table).where(of_hour | since).order_by(table.c.at))
        found = {Census(row.installed, row.state, row.verified): row.instances for row in rows}
        return {kind: number for kind, number in found.items() if number}

    def _last_hour(self, connection: Connection, at: int) -> int | None:
        table = schema.census
        last = select(func.max(table.c.at)).where(table.c.span == HOURLY, table.c.at <= at)
        found: int | None = connection.scalar(last)
        return found

    def installed(self, since: int, who: Who) -> list[Installed]:
        """Who had which version since a moment: by days, and by hours where no day is made yet."""
        table = schema.census
        with self._engine.connect() as connection:
            last = select(func.max(table.c.at)).where(table.c.span == DAILY)
            made = connection.scalar(last)
            hours_since = since if made is None else max(since, made + _DAY)
            return [
                *_installed(connection, DAILY, since, who),
                *_installed(connection, HOURLY, hours_since, who),
            ]

    def tidy(self, now: datetime, kept: timedelta) -> None:
        """Makes days of hours that are over, and forgets hours and transitions that are old."""
        oldest = int((now - kept).timestamp())
        with self._engine.begin() as connection:
            alone(connection)
            self._make_days(connection, int(now.timestamp()))
            census, told, arrival = schema.census, schema.transition, schema.arrival
            old = (census.c.span != DAILY) & (census.c.at < oldest)
            connection.execute(census.delete().where(old))
            connection.execute(arrival.delete().where(arrival.c.at < oldest))
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


def _changed(before: Mapping[Census, int], after: Mapping[Census, int]) -> dict[Census, int]:
    kinds = before.keys() | after.keys()
    return {kind: after.get(kind, 0) for kind in kinds if after.get(kind) != before.get(kind)}


def _installed(connection: Connection, span: str, since: int, who: Who) -> Iterator[Installed]:
    table = schema.census
    reports = case((table.c.state.in_(ABSENT), 0), else_=table.c.instances)
    sums = (func.sum(reports), func.sum(table.c.instances - reports))
    query = (
        select(table.c.at, table.c.installed, *sums)
        .where(table.c.span == span, table.c.at >= since)
        .group_by(table.c.at, table.c.installed)
        .order_by(table.c.at)
    )
    if who is not Who.ALL:
        query = query.where(table.c.verified == (who is Who.VERIFIED))
    hours = 24 if span == DAILY else 1
    for at, tag, reporting, absent in connection.execute(query):
        yield Installed(at, tag, hours, reporting, absent)
