"""What the agent remembers of releases: first sights, refusals with their evidence, quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import Failure, Refused
from koprogo_agent.update.store import Store

JUDGED_AGAIN = timedelta(days=1)
"""What the source did wrong is not held against a release for longer than that."""


@dataclass(frozen=True)
class Sighting:
    """The object under which a tag was first seen, and when."""

    oid: str
    first_seen: datetime


@dataclass(frozen=True)
class Refusal:
    """A tag object that was refused, and why."""

    tag: str
    oid: str
    at: datetime
    code: str
    message: str


@dataclass(frozen=True)
class Quarantined:
    """A release that failed here."""

    fingerprint: str
    tag: str
    at: datetime
    step: str
    code: str
    message: str


class Memory:
    """First sights, refusals and quarantine, kept in the journal's file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sight(self, tag: TagRef, now: datetime) -> None:
        """Remembers the first sight of a tag; a later one changes nothing."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO sighting VALUES (?, ?, ?)",
                (tag.name, tag.oid, now.isoformat()),
            )

    def sightings(self) -> dict[str, Sighting]:
        """Every first sight by tag name."""
        rows = self._store.connection.execute("SELECT * FROM sighting")
        return {
            row["tag"]: Sighting(row["oid"], datetime.fromisoformat(row["first_seen"]))
            for row in rows
        }

    def refuse(
        self, tag: TagRef, error: Refused, trust: str, now: datetime, evidence: bytes | None
    ) -> bool:
        """Remembers a refusal and the bytes that were refused.

        Args:
            tag: the ref that was refused.
            error: the rule that refused it.
            trust: what the judgement depended on besides the bytes; another value judges anew.
            now: the instant.
            evidence: the refused bytes, if any were fetched.

        Returns:
            Whether this refusal is news: the same one under another trust is none.
        """
        rows = self._store.connection.execute(
            "SELECT trust, code, at FROM refusal WHERE tag = ? AND oid = ?", (tag.name, tag.oid)
        )
        known = rows.fetchone()
        same = known is not None and (known["trust"], known["code"]) == (trust, error.code)
        if same and now - datetime.fromisoformat(known["at"]) < JUDGED_AGAIN:
            return False
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?)",
                (tag.name, tag.oid, trust, now.isoformat(), error.code, error.message, evidence),
            )
        return known is None or known["code"] != error.code

    def refusal(self, tag: TagRef, trust: str) -> Refusal | None:
        """The refusal of exactly this object under this trust, or None."""
        rows = self._store.connection.execute(
            "SELECT * FROM refusal WHERE tag = ? AND oid = ? AND trust = ?",
            (tag.name, tag.oid, trust),
        )
        row = rows.fetchone()
        if row is None:
            return None
        at = datetime.fromisoformat(row["at"])
        return Refusal(row["tag"], row["oid"], at, row["code"], row["message"])

    def refused(self) -> set[tuple[str, str]]:
        """Tag and object id of everything that was ever refused."""
        rows = self._store.connection.execute("SELECT tag, oid FROM refusal")
        return {(row["tag"], row["oid"]) for row in rows}

    def refusals(self) -> list[Refusal]:
        """Every refusal, newest first."""
        rows = self._store.connection.execute("SELECT * FROM refusal ORDER BY at DESC")
        return [
            Refusal(
                row["tag"],
                row["oid"],
                datetime.fromisoformat(row["at"]),
                row["code"],
                row["message"],
            )
            for row in rows
        ]

    def quarantine(
        self, fingerprint: str, tag: str, step: str, failure: Failure, now: datetime
    ) -> None:
        """The release failed here: it is not tried again by itself."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)",
                (fingerprint, tag, now.isoformat(), step, failure.code, failure.message),
            )

    def quarantined(self) -> dict[str, Quarantined]:
        """The releases in quarantine by fingerprint."""
        rows = self._store.connection.execute("SELECT * FROM quarantine ORDER BY at")
        return {
            row["fingerprint"]: Quarantined(
                row["fingerprint"],
                row["tag"],
                datetime.fromisoformat(row["at"]),
                row["step"],
                row["code"],
                row["message"],
            )
            for row in rows
        }

    def forgive(self, tag: str) -> bool:
        """Takes a release out of quarantine; tells whether it was in it."""
        with self._store.transaction() as connection:
            cursor = connection.execute("DELETE FROM quarantine WHERE tag = ?", (tag,))
        return cursor.rowcount > 0
