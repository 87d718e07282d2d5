"""What server processes tell each other through the database, and the next one that starts.

A report without news is not written down. But other processes must know that it came, and so must
this one when it starts again: every few seconds each process writes one row that names everybody
whom it has heard, 33 bytes each. The rows of the last minutes are all that is needed.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum

from msgspec import Struct
from sqlalchemy import Engine, func, select, tuple_

from koprogo_agent.fleet.store import schema

EVERY = 5
"""Seconds from one bulletin to the next."""
_KEPT = 600
_ENTRY = struct.Struct(">16sQQB")


class What(IntEnum):
    """What is to be done about an instance."""

    HEARD = 0
    CHANGED = 1
    """It is to be read anew."""
    ERASED = 2


class Entry(Struct, frozen=True, gc=False):
    """One instance in a bulletin."""

    instance: str
    seen: int
    sequence: int
    what: What


class Bulletins:
    """Writes those of one process, and reads those of the others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._process = secrets.token_hex(8)
        self._number = 0
        self._read: set[tuple[str, int]] = set()

    def last(self) -> int | None:
        """When any process has last written, or None."""
        with self._engine.connect() as connection:
            found: int | None = connection.scalar(select(func.max(schema.bulletin.c.at)))
        return found

    def publish(self, entries: Iterable[Entry], now: int) -> None:
        """Writes one, also where there is nothing to tell: it says that this process listens."""
        table = schema.bulletin
        self._number += 1
        row = {
            "process": self._process,
            "number": self._number,
            "at": now,
            "body": b"".join(map(_packed, entries)),
        }
        old = (table.c.process == self._process) & (table.c.at < now - _KEPT)
        with self._engine.begin() as connection:
            connection.execute(table.delete().where(old))
            connection.execute(table.insert(), row)

    def read(self, now: int) -> list[Entry]:
        """What other processes have written and this one has not read, oldest first."""
        table = schema.bulletin
        key = tuple_(table.c.process, table.c.number)
        recent = (table.c.at >= now - _KEPT) & (table.c.process != self._process)
        with self._engine.connect() as connection:
            query = select(table.c.process, table.c.number).where(recent)
            there = {(row.process, row.number) for row in connection.execute(query)}
            bodies = (
                select(table.c.body)
                .where(key.in_(sorted(there - self._read)))
                .order_by(table.c.at, table.c.number)
            )
            new = list(connection.execute(bodies).scalars()) if there - self._read else []
        self._read = there
        return [entry for body in new for entry in _unpacked(body)]

    def read_anew(self) -> None:
        """What was read was lost; it is read once more."""
        self._read = set()

    def tidy(self, now: int) -> None:
        """Removes those of processes that are no more."""
        table = schema.bulletin
        with self._engine.begin() as connection:
            connection.execute(table.delete().where(table.c.at < now - _KEPT))


def _packed(entry: Entry) -> bytes:
    return _ENTRY.pack(bytes.fromhex(entry.instance), entry.seen, entry.sequence, entry.what)


def _unpacked(body: bytes) -> Iterator[Entry]:
    for name, seen, sequence, what in _ENTRY.iter_unpack(body):
        yield Entry(name.hex(), seen, sequence, What(what))
