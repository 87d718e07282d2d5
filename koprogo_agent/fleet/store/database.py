"""What SQLite and PostgreSQL do each in their own way: opening, putting a row, standing still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite

_POSTGRESQL = "postgresql://"
_LOCK = 0x6B6F70726F676F


def connect(url: str) -> Engine:
    """Opens the database that an address names."""
    if url.startswith(_POSTGRESQL):
        return create_engine(f"postgresql+psycopg://{url.removeprefix(_POSTGRESQL)}")
    engine = create_engine(url)
    event.listen(engine, "connect", _as_a_server)
    return engine


def _as_a_server(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def upsert(engine: Engine) -> Any:  # noqa: ANN401 - the dialects share no type for it
    """The `insert` of this database that knows what to do with a row that is there."""
    return postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection to which all is as it was at one moment, however long it reads."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        else:
            # Its driver begins no transaction for what only reads.
            connection.exec_driver_sql("BEGIN")
        yield connection


def alone(connection: Connection) -> None:
    """Until this transaction is over, no other process that asks for it goes on from here.

    Of SQLite there is but one process; whatever it writes, it writes alone.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
