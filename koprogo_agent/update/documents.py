"""The trust roots and the freshness document that were believed, kept in the journal's file."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from koprogo_agent.domain.freshness import Freshness, read_freshness
from koprogo_agent.domain.root import RoleName, Root, read_root
from koprogo_agent.update.store import Store

_read_root = lru_cache(maxsize=2)(read_root)
_read_freshness = lru_cache(maxsize=2)(read_freshness)
"""The same bytes are read at every poll."""


class _Kind(StrEnum):
    ROOT = "root"
    FRESHNESS = "freshness"


class Documents:
    """What was believed once and is not asked for again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def root(self) -> Root | None:
        """The newest trust root; with it all before it are kept."""
        raw = self._one("kind = ? ORDER BY version DESC LIMIT 1", _Kind.ROOT)
        return None if raw is None else _read_root(raw)

    def root_of(self, version: int) -> Root | None:
        """One version of the trust root."""
        raw = self._one("kind = ? AND version = ?", _Kind.ROOT, version)
        return None if raw is None else _read_root(raw)

    def freshness(self, root: Root) -> Freshness | None:
        """The newest freshness document that was believed under the keys that a root names."""
        era = root.role(RoleName.FRESHNESS).era
        raw = self._one("kind = ? AND era = ?", _Kind.FRESHNESS, era)
        return None if raw is None else _read_freshness(raw)

    def start_from(self, root: Root, now: datetime) -> None:
        """Begins the chain anew: the operator gave this machine another trust root."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM document WHERE kind = ?", (_Kind.ROOT,))
            _insert(connection, _Kind.ROOT, root.version, root.envelope.raw(), now)

    def keep_root(self, root: Root, now: datetime) -> None:
        """Remembers a version of the trust root."""
        with self._store.transaction() as connection:
            _insert(connection, _Kind.ROOT, root.version, root.envelope.raw(), now)

    def keep_freshness(self, freshness: Freshness, root: Root, now: datetime) -> None:
        """Remembers a freshness document, believed under a root, instead of the one before."""
        era, raw = root.role(RoleName.FRESHNESS).era, freshness.envelope.raw()
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM document WHERE kind = ?", (_Kind.FRESHNESS,))
            _insert(connection, _Kind.FRESHNESS, freshness.version, raw, now, era)

    def keep_evidence(self, what: str, raw: bytes, now: datetime) -> None:
        """Keeps the document that was refused last as what it should have been: as evidence."""
        with self._store.transaction() as connection:
            _insert(connection, f"refused {what}", 1, raw, now)

    def _one(self, where: str, *values: object) -> bytes | None:
        query = f"SELECT raw FROM document WHERE {where}"  # noqa: S608 - our own words
        row = self._store.connection.execute(query, values).fetchone()
        return None if row is None else bytes(row["raw"])


def _insert(
    connection: sqlite3.Connection,
    kind: str,
    version: int,
    raw: bytes,
    now: datetime,
    era: str = "",
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)",
        (kind, version, era, raw, now.isoformat()),
    )
