"""The fleet's past: counted each hour and day, and forgotten in time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, inspect, select, text

from koprogo_agent.fleet.domain.census import Census, Who
from koprogo_agent.fleet.domain.instances import first
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.history import DAILY, HOURLY, History
from koprogo_agent.fleet.store.instances import Change, Store
from koprogo_agent.fleet.store.migrate import NEWEST, migrate
from koprogo_agent.wire.report import Report, StateName
from tests.fleet.machines import transition

HOUR = 3600
NOW = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
NOON = int(NOW.replace(minute=0).timestamp())
MIDNIGHT = int(NOW.replace(hour=0, minute=0).timestamp())
KEPT = timedelta(days=90)
CURRENT = Census("v1.0.0", "current", verified=False)
HELD = Census("v1.0.0", "held", verified=True)
REPORT = Report(
    instance="0" * 32,
    sequence=1,
    run="0" * 16,
    agent="0.1.0",
    state=StateName.CURRENT,
    channel="stable",
    installed="v1.0.0",
)


def tell(engine: Engine, at: datetime, number: int = 1) -> None:
    """An instance has told of something at a moment."""
    moment = int(at.timestamp())
    told = transition(number, at=moment)
    Store(engine).keep([Change(first(REPORT, moment).instance, (told,))])


def told(engine: Engine) -> list[int]:
    """The moments of what is kept."""
    return sorted(one.at for one in Store(engine).transitions("0" * 32, 1000))


def census(engine: Engine, span: str) -> dict[int, dict[Census, int]]:
    """Moment -> what was counted then."""
    table, found = schema.census, defaultdict[int, dict[Census, int]](dict)
    with engine.connect() as connection:
        for row in connection.execute(select(table).where(table.c.span == span)):
            found[row.at][Census(row.installed, row.state, row.verified)] = row.instances
    return dict(found)


def test_the_database_has_the_tables_that_the_server_knows(engine: Engine) -> None:
    """Migrations and tables say the same; whoever migrates again changes nothing."""
    migrate(engine)
    with engine.connect() as connection:
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    assert version == NEWEST
    there = inspect(engine)
    for table in schema.metadata.sorted_tables:
        columns = {one["name"]: one for one in there.get_columns(table.name)}
        assert {name: one["nullable"] for name, one in columns.items()} == {
            one.name: bool(one.nullable) for one in table.columns
        }
        indexes = {str(one["name"]): one["column_names"] for one in there.get_indexes(table.name)}
        assert indexes == {str(one.name): [c.name for c in one.columns] for one in table.indexes}


def test_an_hour_is_counted_once(engine: Engine) -> None:
    """Of several servers on one database, the first counts."""
    history = History(engine)
    history.keep_census(NOON, {CURRENT: 7, HELD: 2})
    history.keep_census(NOON, {CURRENT: 99})
    history.keep_census(NOON + HOUR, {CURRENT: 8})
    assert census(engine, HOURLY) == {
        NOON: {CURRENT: 7, HELD: 2},
        NOON + HOUR: {CURRENT: 8},
    }


def test_any_minute_can_be_looked_at(engine: Engine) -> None:
    """Between full hours, what has changed is kept; by whichever process counted first."""
    history = History(engine)
    assert history.then(NOON) == {}
    counted = [{CURRENT: 7}, {CURRENT: 5, HELD: 2}, {CURRENT: 5, HELD: 2}, {HELD: 7}]
    for minute, counts in enumerate(counted):
        history.keep_census(NOON + minute * 60 + 7, counts)
        History(engine).keep_census(
            NOON + minute * 60 + 9, {CURRENT: 99} if minute != 2 else counts
        )
    for minute, counts in enumerate(counted):
        assert history.then(NOON + minute * 60 + 59) == counts
    history.keep_census(NOON + HOUR, {CURRENT: 8})
    assert (history.then(NOON + HOUR - 1), history.then(NOON + HOUR)) == ({HELD: 7}, {CURRENT: 8})
    with engine.connect() as connection:
        assert len(connection.execute(select(schema.census)).all()) == 6


def test_a_day_is_the_mean_of_its_hours(engine: Engine) -> None:
    """Once it is over; an hour in which there was none of a kind counts as none."""
    history, yesterday = History(engine), MIDNIGHT - 86_400
    for hour, held in enumerate((4, 4, 4, 0)):
        history.keep_census(
            yesterday + hour * HOUR, {CURRENT: 10, **({HELD: held} if held else {})}
        )
    history.keep_census(MIDNIGHT, {CURRENT: 10})
    history.tidy(NOW, KEPT)
    history.tidy(NOW, KEPT)
    assert census(engine, DAILY) == {yesterday: {CURRENT: 10, HELD: 3}}


def test_who_had_which_version_is_known_by_days_and_hours(engine: Engine) -> None:
    """By hours where no day is made yet; who was absent is counted apart."""
    history = History(engine)
    silent = Census("v1.0.0", "silent", verified=True)
    for at in (MIDNIGHT - 86_400, MIDNIGHT - 43_200, MIDNIGHT, NOON):
        history.keep_census(
            at, {CURRENT: 7, HELD: 2, silent: 1, Census("", "late", verified=False): 3}
        )
    history.tidy(NOW, KEPT)
    found = history.installed(0, Who.ALL)
    assert [(one.at, one.hours) for one in found if one.installed] == [
        (MIDNIGHT - 86_400, 24),
        (MIDNIGHT, 1),
        (NOON, 1),
    ]
    assert {(one.installed, one.reporting, one.absent) for one in found} == {
        ("v1.0.0", 9, 1),
        ("", 0, 3),
    }
    assert {one.reporting for one in history.installed(NOON, Who.VERIFIED)} == {2}
    assert {one.reporting for one in history.installed(NOON, Who.UNVERIFIED)} == {7, 0}


def test_what_is_old_is_forgotten(engine: Engine) -> None:
    """Days are kept for good: nobody is told apart in them."""
    history = History(engine)
    history.tidy(NOW, KEPT)
    for number, days in enumerate((120, 91, 89, 0)):
        tell(engine, NOW - timedelta(days=days), number)
        history.keep_census(NOON - days * 86_400, {CURRENT: 1})
    history.tidy(NOW, KEPT)
    assert told(engine) == [int((NOW - timedelta(days=days)).timestamp()) for days in (89, 0)]
    assert len(census(engine, HOURLY)) == 2
    assert len(census(engine, DAILY)) == 3


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
class TestMonths:
    """PostgreSQL keeps months apart."""

    def test_an_old_month_goes_in_one_go(self, engine: Engine) -> None:
        """And the next one is there before it begins."""
        history = History(engine)
        history.tidy(NOW, KEPT)
        assert months(engine) == ["2026_08", "2026_09", "2026_10", "2026_11", "2026_12"]
        history.tidy(NOW + timedelta(days=120), KEPT)
        assert months(engine) == ["2026_12", "2027_01", "2027_02", "2027_03", "2027_04"]

    def test_a_clock_that_is_ahead_is_in_nobodys_way(self, engine: Engine) -> None:
        """What it told of a month that is not there yet moves in when it is made."""
        tell(engine, NOW + timedelta(days=40))
        tell(engine, NOW.replace(year=2099), 2)
        History(engine).tidy(NOW, KEPT)
        later = NOW + timedelta(days=30)
        History(engine).tidy(later, KEPT)
        with engine.connect() as connection:
            count = "SELECT count(*) FROM transition_2027_01"
            assert connection.execute(text(count)).scalar_one() == 1
        assert len(told(engine)) == 2


def months(engine: Engine) -> list[str]:
    """Those that there are."""
    names = inspect(engine).get_table_names()
    return sorted(name.removeprefix("transition_") for name in names if "transition_2" in name)
