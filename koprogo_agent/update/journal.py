"""The journal: what is installed, what is being done, and what has happened.

Intent is durable before an effect, and the result after it. Every write is one transaction of its
own, flushed to the disk (`synchronous = FULL`) before the method returns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from koprogo_agent.domain.deployment import Deployment, Floor
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Outcome, State
from koprogo_agent.update.encoding import dump, dump_facts, load, load_facts
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    at: datetime
    name: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class PastOperation:
    """An operation that has ended."""

    operation: Operation
    ended: datetime
    outcome: Outcome


class Journal:
    """What the agent knows and must not forget."""

    def __init__(self, path: Path, now: datetime) -> None:
        self._store = Store(path, now)

    @property
    def set_aside(self) -> Path | None:
        """Where a corrupt journal was put when this one was opened, or None."""
        return self._store.set_aside

    def close(self) -> None:
        """Closes the journal."""
        self._store.close()

    # --- single values

    def get(self, kind: type[T], name: str) -> T | None:
        """A value by name, or None."""
        row = self._one("SELECT json FROM value WHERE name = ?", name)
        return None if row is None else load(kind, row["json"])

    def put(self, name: str, value: object) -> None:
        """Remembers a value; None forgets it."""
        with self._store.transaction() as connection:
            _put(connection, name, value)

    @property
    def installed(self) -> Deployment | None:
        """What runs here by the agent's doing or adoption."""
        return self.get(Deployment, "installed")

    @property
    def previous(self) -> Deployment | None:
        """The last good deployment before the installed one."""
        return self.get(Deployment, "previous")

    @property
    def floor(self) -> Floor | None:
        """The lowest release that may ever be installed."""
        return self.get(Floor, "floor")

    def adopt(self, deployment: Deployment) -> None:
        """Remembers what was found running."""
        with self._store.transaction() as connection:
            _put(connection, "installed", deployment)
            _raise_floor(connection, deployment)

    def commit(self, target: Deployment, previous: Deployment | None) -> None:
        """The target is what runs now; the floor rises to it and never falls again."""
        with self._store.transaction() as connection:
            _put(connection, "installed", target)
            _put(connection, "previous", previous)
            _raise_floor(connection, target)

    def put_back(self, deployment: Deployment | None) -> None:
        """After a way back: this is what runs again, and what ran before it is not known."""
        with self._store.transaction() as connection:
            _put(connection, "installed", deployment)
            _put(connection, "previous", None)

    # --- operations

    def begin(self, operation: Operation) -> Operation:
        """Writes down a new operation and gives it its number.

        Only one may be live: the schema itself sees to it.
        """
        with self._store.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO operation (kind, tag, fingerprint, previous, target, state, facts,"
                " started) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    operation.kind,
                    operation.tag,
                    operation.fingerprint,
                    dump(operation.previous),
                    dump(operation.target),
                    dump(operation.state),
                    dump_facts(operation.facts),
                    operation.started.isoformat(),
                ),
            )
        return replace(operation, id=cursor.lastrowid or 0)

    def save(self, operation: Operation) -> None:
        """Writes down where an operation is, before its next command is carried out."""
        with self._store.transaction() as connection:
            _save(connection, operation)

    def end(self, operation: Operation, outcome: Outcome, now: datetime) -> None:
        """The operation has ended; what follows from that is yet to be drawn (`unsettled`)."""
        with self._store.transaction() as connection:
            _save(connection, operation)
            connection.execute(
                "UPDATE operation SET ended = ?, outcome = ? WHERE id = ?",
                (now.isoformat(), outcome, operation.id),
            )
            _put(connection, "unsettled", operation.id)

    @property
    def unsettled(self) -> PastOperation | None:
        """The operation that has ended, but whose consequences may not all be drawn."""
        number = self.get(int, "unsettled")
        ended = self.past(1)
        return ended[0] if ended and ended[0].operation.id == number else None

    def settle(self) -> None:
        """The consequences are drawn."""
        self.put("unsettled", None)

    def reopen(self, operation: Operation) -> None:
        """The operation, which had ended, goes on."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE operation SET ended = NULL, outcome = NULL WHERE id = ?", (operation.id,)
            )
            _save(connection, operation)

    def live(self) -> Operation | None:
        """The operation that has not ended, or None."""
        row = self._one("SELECT * FROM operation WHERE ended IS NULL")
        return None if row is None else _operation(row)

    def past(self, limit: int) -> list[PastOperation]:
        """The operations that have ended, newest first."""
        rows = self._all(
            "SELECT * FROM operation WHERE ended IS NOT NULL ORDER BY id DESC LIMIT ?", limit
        )
        return [
            PastOperation(
                _operation(row), datetime.fromisoformat(row["ended"]), Outcome(row["outcome"])
            )
            for row in rows
        ]

    # --- scratch databases

    @property
    def scratch(self) -> list[str]:
        """Databases that operations may have made, and that none needs once it is tidied."""
        return self.get(list[str], "scratch") or []

    def note_scratch(self, names: Iterable[str]) -> None:
        """Remembers databases before they are made: what is noted is not forgotten in a crash."""
        self.put("scratch", list(dict.fromkeys((*self.scratch, *names))))

    def forget_scratch(self, name: str) -> None:
        """The database is gone."""
        self.put("scratch", [one for one in self.scratch if one != name])

    # --- events

    def record(self, name: str, now: datetime, **detail: object) -> None:
        """Remembers that something happened."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO event (at, name, detail) VALUES (?, ?, ?)",
                (now.isoformat(), name, json.dumps(detail)),
            )

    def events(self, limit: int) -> list[Event]:
        """What happened, newest first."""
        rows = self._all("SELECT * FROM event ORDER BY id DESC LIMIT ?", limit)
        return [
            Event(datetime.fromisoformat(row["at"]), row["name"], json.loads(row["detail"]))
            for row in rows
        ]

    # --- images

    def brought(self, reference: str, operation: Operation) -> None:
        """Remembers that the agent brought an image: it may remove it one day."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO image VALUES (?, ?)", (reference, operation.id)
            )

    def images_brought(self) -> dict[str, int]:
        """The images that the agent brought, and the operation that did."""
        return {row["reference"]: row["operation"] for row in self._all("SELECT * FROM image")}

    def forget_image(self, reference: str) -> None:
        """The image is gone."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM image WHERE reference = ?", (reference,))

    # --- reading

    @property
    def store(self) -> Store:
        """The file, for `Memory`, which keeps its tables in the same one."""
        return self._store

    def _one(self, query: str, *values: object) -> sqlite3.Row | None:
        rows = self._all(query, *values)
        return rows[0] if rows else None

    def _all(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._store.connection.execute(query, values).fetchall()


def _operation(row: sqlite3.Row) -> Operation:
    return Operation(
        id=row["id"],
        kind=Kind(row["kind"]),
        tag=row["tag"],
        fingerprint=row["fingerprint"],
        previous=load(Deployment, row["previous"]) if row["previous"] else None,
        target=load(Deployment, row["target"]) if row["target"] else None,
        state=load(State, row["state"]),
        started=datetime.fromisoformat(row["started"]),
        facts=load_facts(row["facts"]),
    )


def _put(connection: sqlite3.Connection, name: str, value: object) -> None:
    if value is None:
        connection.execute("DELETE FROM value WHERE name = ?", (name,))
        return
    connection.execute(
        "INSERT INTO value VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET json = excluded.json",
        (name, dump(value)),
    )


def _raise_floor(connection: sqlite3.Connection, deployment: Deployment) -> None:
    version = deployment.version
    if version is None:
        return
    row = connection.execute("SELECT json FROM value WHERE name = 'floor'").fetchone()
    counter, era = deployment.counter, deployment.era
    new = Floor(str(version), counter, era)
    raised = load(Floor, row["json"]).raised(version, counter, era) if row else new
    _put(connection, "floor", raised)


def _save(connection: sqlite3.Connection, operation: Operation) -> None:
    connection.execute(
        "UPDATE operation SET target = ?, state = ?, facts = ? WHERE id = ?",
        (
            dump(operation.target),
            dump(operation.state),
            dump_facts(operation.facts),
            operation.id,
        ),
    )
