"""PostgreSQL keeps what instances told in a partition for each month: an old one goes in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

_AHEAD = timedelta(days=32)
_NAME = re.compile(r"transition_(\d{4})_(\d{2})")


def has_months(connection: Connection) -> bool:
    """Whether this database keeps them apart at all."""
    return connection.dialect.name == "postgresql"


def make_months(connection: Connection, now: datetime, kept: timedelta) -> None:
    """Makes the months from the first that is kept to the next one."""
    there = set(_months(connection))
    for month in _between(now - kept, now + _AHEAD):
        if month not in there:
            _make(connection, month)


def drop_months(connection: Connection, now: datetime, kept: timedelta) -> None:
    """Drops the months that are over for longer than they are kept."""
    for month in _months(connection):
        if _after(month) <= now - kept:
            connection.execute(text(f"DROP TABLE {_name(month)}"))


def _make(connection: Connection, month: datetime) -> None:
    """What came for it before, from a clock that is ahead, lies among the others and moves in."""
    name, bounds = _name(month), {"first": _at(month), "after": _at(_after(month))}
    connection.execute(text(f"CREATE TABLE {name} (LIKE transition INCLUDING ALL)"))
    moved = "DELETE FROM transition_other WHERE at >= :first AND at < :after RETURNING *"
    move = f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved"  # noqa: S608 - ours
    connection.execute(text(move), bounds)
    values = f"FROM ({bounds['first']}) TO ({bounds['after']})"
    attach = f"ALTER TABLE transition ATTACH PARTITION {name} FOR VALUES {values}"
    connection.execute(text(attach))


def _months(connection: Connection) -> Iterator[datetime]:
    query = (
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'transition'::regclass"
    )
    for (name,) in connection.execute(text(query)).all():
        if found := _NAME.fullmatch(name):
            yield datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)


def _between(first: datetime, last: datetime) -> Iterator[datetime]:
    month = datetime(first.year, first.month, 1, tzinfo=UTC)
    while month <= last:
        yield month
        month = _after(month)


def _after(month: datetime) -> datetime:
    return (month + _AHEAD).replace(day=1)


def _at(month: datetime) -> int:
    return int(month.timestamp())


def _name(month: datetime) -> str:
    return f"transition_{month:%Y_%m}"
