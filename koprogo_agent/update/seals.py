"""Every row of the journal with its own hash: SQLite's check does not look at what rows say.

A flipped bit in a text is a sound database to SQLite. Triggers write the hash of each row beside
it, so that no statement can forget to; it is compared when the file is opened.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence

_TABLE = """
CREATE TABLE seal (
    tab TEXT NOT NULL, entry INTEGER NOT NULL, sum TEXT NOT NULL, PRIMARY KEY (tab, entry)
) STRICT, WITHOUT ROWID;
"""

_TRIGGERS = """
CREATE TRIGGER {table}_made AFTER INSERT ON {table}
BEGIN INSERT INTO seal VALUES ('{table}', new.rowid, row_hash({new})); END;
CREATE TRIGGER {table}_changed AFTER UPDATE ON {table}
BEGIN UPDATE seal SET sum = row_hash({new}) WHERE tab = '{table}' AND entry = new.rowid; END;
CREATE TRIGGER {table}_gone AFTER DELETE ON {table}
BEGIN DELETE FROM seal WHERE tab = '{table}' AND entry = old.rowid; END;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Teaches a connection what the triggers need; before anything else is done with it."""
    connection.create_function("row_hash", -1, _row_hash, deterministic=True)
    # Else a row that is replaced goes without its trigger, and leaves its seal behind.
    connection.execute("PRAGMA recursive_triggers = ON")


def script(tables: Mapping[str, Sequence[str]]) -> str:
    """The table of seals and the triggers that keep it, for tables and their columns."""
    triggers = (
        _TRIGGERS.format(table=table, new=", ".join(f"new.{column}" for column in columns))
        for table, columns in tables.items()
    )
    return _TABLE + "".join(triggers)


def broken(connection: sqlite3.Connection, tables: Mapping[str, Sequence[str]]) -> str:
    """The first table with a row that is not as it was written, or an empty string."""
    rows = 0
    for table, columns in tables.items():
        # The names are our own.
        query = f"""
            SELECT count(*), coalesce(sum(seal.sum IS NOT row_hash({", ".join(columns)})), 0)
            FROM {table} LEFT JOIN seal ON tab = '{table}' AND entry = {table}.rowid
        """  # noqa: S608
        count, wrong = connection.execute(query).fetchone()
        if wrong:
            return table
        rows += count
    known = ", ".join("?" * len(tables))
    query = f"SELECT count(*) FROM seal WHERE tab IN ({known})"  # noqa: S608 - as above
    return "" if connection.execute(query, tuple(tables)).fetchone()[0] == rows else "seal"


def _row_hash(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()
