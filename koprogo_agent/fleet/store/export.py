"""What is kept, for whoever may have it: rows as they are read, and no hash of any secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, select

from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.database import snapshot

_AT_ONCE = 1000
"""Rows that are in memory at a time."""
_HASHES = frozenset({"sha256", "hash"})
"""Columns that are left out: what they are made of opens a door."""
_DOCUMENTS = frozenset({"operation", "pending"})
"""Columns of JSON, which is given as that."""
TABLES = (
    *(schema.instance, schema.transition, schema.arrival, schema.token),
    *(schema.release, schema.census, schema.tally, schema.outage),
)
"""What is given."""
HELD_BACK = (schema.staff, schema.session, schema.bulletin)
"""What is not: who may come in here, and what servers tell each other of who was heard, for ten
minutes: `instance` says that as well."""
_OF = {
    schema.instance.name: schema.instance.c.id,
    schema.transition.name: schema.transition.c.instance,
    schema.arrival.name: schema.arrival.c.instance,
    schema.token.name: schema.token.c.used_by,
}
"""Table -> the column that says of which instance a row is; the others say nothing of any."""


@dataclass(frozen=True)
class Kept:
    """A row.

    Attributes:
        table: its name.
        row: column -> value, in words, numbers and documents of JSON.
    """

    table: str
    row: dict[str, Any]


def export(engine: Engine, instance: str | None = None) -> Iterator[Kept]:
    """Everything that is kept, or that of one instance, all as it is at one moment."""
    with snapshot(engine) as connection:
        for table in TABLES:
            columns = [one for one in table.c if one.name not in _HASHES]
            query = select(*columns).order_by(*table.primary_key)
            if instance is not None:
                if table.name not in _OF:
                    continue
                query = query.where(_OF[table.name] == instance)
            yield from (Kept(table.name, row) for row in _rows(connection, query))


def _rows(connection: Connection, query: Select[Any]) -> Iterator[dict[str, Any]]:
    streamed = connection.execution_options(yield_per=_AT_ONCE).execute(query)
    for row in streamed.mappings():
        yield {name: _value(name, value) for name, value in row.items()}


def _value(name: str, value: object) -> object:
    return json.loads(value) if name in _DOCUMENTS and isinstance(value, str) else value
