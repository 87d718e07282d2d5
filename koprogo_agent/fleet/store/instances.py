"""What is kept for good: written in batches, each one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec
from sqlalchemy import Engine, Row, select

from koprogo_agent.fleet.domain.instances import Instance, Stand, state_of
from koprogo_agent.fleet.domain.outcomes import End
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.database import upsert
from koprogo_agent.fleet.store.outcomes import Outcomes
from koprogo_agent.wire.report import Operation, Pending, StateName, Transition

_AT_ONCE = 500
"""Names in one query."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one report has brought.

    Attributes:
        instance: as it is known from then on.
        transitions: to be kept, unless they are kept already.
        ends: to which it came with releases.
    """

    instance: Instance
    transitions: tuple[Transition, ...] = ()
    ends: tuple[End, ...] = ()


class Store:
    """Reads and writes the tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = upsert(engine)
        self._outcomes = Outcomes(engine)

    def instances(self) -> Iterator[Instance]:
        """Every instance."""
        with self._engine.connect() as connection:
            for row in connection.execute(select(schema.instance)):
                yield _instance(row)

    def some(self, names: Collection[str]) -> Iterator[Instance]:
        """Those of these names that there are."""
        table = schema.instance
        with self._engine.connect() as connection:
            wanted = sorted(names)
            for begin in range(0, len(wanted), _AT_ONCE):
                query = select(table).where(table.c.id.in_(wanted[begin : begin + _AT_ONCE]))
                yield from map(_instance, connection.execute(query))

    def keep(self, changes: Sequence[Change]) -> None:
        """Writes all of it down, or nothing; of two changes of an instance the later one counts."""
        newest = {change.instance.id: change.instance for change in changes}
        told = [(change.instance, one) for change in changes for one in change.transitions]
        put = self._insert(schema.instance)
        names = [column.name for column in schema.instance.c if not column.primary_key]
        put = put.on_conflict_do_update(
            index_elements=["id"],
            set_={name: put.excluded[name] for name in names},
            # Another process may have written a later one.
            where=schema.instance.c.sequence <= put.excluded.sequence,
        )
        with self._engine.begin() as connection:
            # In one order everywhere, or two processes could wait for each other.
            rows = [_instance_row(newest[name]) for name in sorted(newest)]
            connection.execute(put, rows)
            if told:
                rows = [_transition_row(instance, one) for instance, one in told]
                connection.execute(self._insert(schema.transition).on_conflict_do_nothing(), rows)
                self._outcomes.keep(connection, [end for one in changes for end in one.ends])

    def erase(self, instance: str) -> bool:
        """Forgets an instance and all that it told; tells whether there was one.

        Its token stays used up: by somebody who is gone.
        """
        instances, tokens = schema.instance, schema.token
        with self._engine.begin() as connection:
            theirs = tokens.c.used_by == instance
            connection.execute(tokens.update().where(theirs).values(used_by=""))
            for table in (schema.transition, schema.arrival):
                connection.execute(table.delete().where(table.c.instance == instance))
            gone = connection.execute(instances.delete().where(instances.c.id == instance))
        return gone.rowcount > 0

    def transitions(self, instance: str, most: int, before: int | None = None) -> list[Transition]:
        """What an instance has told, newest first: so many at most, perhaps before a number."""
        table = schema.transition
        query = select(table).where(table.c.instance == instance).order_by(table.c.number.desc())
        if before is not None:
            query = query.where(table.c.number < before)
        query = query.limit(most)
        with self._engine.connect() as connection:
            return [_transition(row) for row in connection.execute(query)]

    def make_token(self, token: str, note: str, now: int) -> None:
        """Keeps the hash of a token, which one instance may use."""
        row = {"sha256": _sha256(token), "made": now, "note": note}
        with self._engine.begin() as connection:
            connection.execute(schema.token.insert(), row)

    def redeem(self, token: str, instance: str, now: int) -> bool:
        """Uses a token up; tells whether it was good, or was this instance's before."""
        table = schema.token
        mine = (table.c.sha256 == _sha256(token)) & (
            table.c.used_by.is_(None) | (table.c.used_by == instance)
        )
        with self._engine.begin() as connection:
            used = connection.execute(table.update().where(mine).values(used=now, used_by=instance))
        return used.rowcount > 0


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _instance_row(one: Instance) -> dict[str, object]:
    return {
        "id": one.id,
        "enrolled": one.enrolled,
        "verified": one.verified,
        "seen": one.seen,
        "sequence": one.sequence,
        "run": one.run,
        "former": " ".join(one.former),
        "cloned": one.cloned,
        "since": one.since,
        "agent": one.stand.agent,
        "channel": one.stand.channel,
        "state": str(one.stand.state),
        "installed": one.stand.installed,
        "digest": one.stand.digest,
        "operation": _text(one.stand.operation),
        "pending": _text(one.stand.pending),
        "fault": one.stand.fault,
        "polled": one.polled,
    }


def _instance(row: Row[Any]) -> Instance:
    return Instance(
        id=row.id,
        enrolled=row.enrolled,
        verified=row.verified,
        seen=row.seen,
        sequence=row.sequence,
        run=row.run,
        former=tuple(row.former.split()),
        cloned=row.cloned,
        since=row.since,
        stand=Stand(
            agent=row.agent,
            channel=row.channel,
            state=StateName(row.state),
            installed=row.installed,
            digest=row.digest,
            operation=_read(row.operation, Operation),
            pending=_read(row.pending, Pending),
            fault=row.fault,
        ),
        polled=row.polled,
        kept=row.seen,
    )


_OF_OPERATION = tuple(one.name for one in fields(Operation))
"""The columns of a transition that say what ended there; all of them empty where nothing did."""


def _transition_row(instance: Instance, one: Transition) -> dict[str, object]:
    operation = asdict(one.operation) if one.operation else dict.fromkeys(_OF_OPERATION)
    return {
        "instance": instance.id,
        "at": one.at,
        "number": one.number,
        "received": instance.seen,
        "state": str(state_of(one)),
        "agent": one.agent,
        "installed": one.installed,
        **operation,
    }


def _transition(row: Row[Any]) -> Transition:
    told = {name: getattr(row, name) for name in _OF_OPERATION}
    operation = Operation(**told) if row.kind else None
    return Transition(
        number=row.number,
        at=row.at,
        state=StateName(row.state),
        agent=row.agent,
        installed=row.installed,
        operation=operation,
    )


def _text(part: object) -> str | None:
    return None if part is None else msgspec.json.encode(part).decode()


def _read(text: str | None, kind: type[Any]) -> Any:  # noqa: ANN401 - of that kind
    return None if text is None else msgspec.json.decode(text, type=kind)
