"""What keeps PostgreSQL from copying, exchanging or dropping a database, told beforehand.

Observed on PostgreSQL 15.18:

    in the database              CREATE … TEMPLATE   RENAME    DROP … WITH (FORCE)
    prepared transaction         refused             refused   refused
    other collation version      refused             done      done
    active logical slot          refused             refused   refused
    unused logical slot          done, without it    done      done, and the slot is gone
    subscription                 done, without it    done      refused
    is a template                done                done      refused

What is refused in the middle of an update costs its users an outage, each time it is tried.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater, StepFailed

_LONG = 300.0
"""Seconds after which an open transaction that writes, or runs a query, is a long one."""
_NOTHING = 0
"""Connection limit that admits superusers only."""


@dataclass(frozen=True)
class Console:
    """How an operator reaches the database: its compose project and service, and its superuser."""

    project: str
    service: str
    user: str

    def typed(self, statement: str, database: str) -> str:
        """The command that runs a statement."""
        words = ("docker", "compose", "-p", self.project, "exec", self.service)
        psql = ("psql", "-U", self.user, "-d", database, "-c")
        return f"{shlex.join((*words, *psql))} {_in_quotes(statement)}"


@dataclass(frozen=True)
class Prepared:
    """A transaction that was prepared (PREPARE TRANSACTION) and neither committed nor undone."""

    name: str
    owner: str


@dataclass(frozen=True)
class Slot:
    """A logical replication slot; it is active while a consumer is connected to it."""

    name: str
    active: bool


@dataclass(frozen=True)
class Subscription:
    """A subscription; while it is enabled, its worker writes into the database."""

    name: str
    enabled: bool


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction of a session.

    Attributes:
        process: number of the server's process, by which it can be ended.
        who: role, program and address, in words.
        seconds: since it began.
    """

    process: int
    who: str
    seconds: float


@dataclass(frozen=True)
class DatabaseState:
    """Properties of a database that affect copying, renaming and dropping it.

    Attributes:
        name: of the database.
        console: how an operator reaches it.
        major: the server's major version.
        superuser: whether the agent's role is one.
        allows_connections: whether it lets sessions in at all.
        connection_limit: how many sessions may be in it; -1: any number.
        collation_recorded: version of the collation with which its indexes were made, or empty.
        collation_now: version that the operating system of the server's image has, or empty.
        prepared: prepared transactions in it.
        slots: logical replication slots of it.
        subscriptions: subscriptions that live in it.
        transactions: open ones that write or run a query, the oldest first.
        extensions: those that are installed in it.
    """

    name: str
    console: Console
    major: int
    superuser: bool = True
    allows_connections: bool = True
    connection_limit: int = -1
    collation_recorded: str = ""
    collation_now: str = ""
    prepared: tuple[Prepared, ...] = ()
    slots: tuple[Slot, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    transactions: tuple[OpenTransaction, ...] = ()
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerImage:
    """The PostgreSQL that an image holds.

    Attributes:
        major: its major version.
        extensions: those that it can install; None where that is not known.
    """

    major: int
    extensions: frozenset[str] | None


def against_a_point(state: DatabaseState) -> Iterator[AgentError]:
    """Why no rollback point can be made of a database, the gravest reason first."""
    yield from against_an_exchange(state)
    if state.collation_recorded and state.collation_recorded != state.collation_now:
        yield _other_collation(state)
    for one in state.transactions:
        if one.seconds >= _LONG:
            yield RetryLater(
                f"{one.who} has had a transaction open in {state.name} for"
                f" {one.seconds / 60:.0f} minutes: to make a rollback point would undo it",
                code="database.long_transaction",
                advice="let it come to its end, or end it: "
                + state.console.typed(f"SELECT pg_terminate_backend({one.process})", "postgres"),
            )


def against_an_exchange(state: DatabaseState) -> Iterator[AgentError]:
    """Why a database cannot be put aside for another, the gravest reason first."""
    if not state.superuser:
        yield NeedsOperator(
            f"the role {state.console.user} is not a superuser: no rollback point can be made",
            code="database.not_superuser",
            advice="the official image makes POSTGRES_USER one; here, as another superuser:"
            f' ALTER ROLE "{state.console.user}" SUPERUSER',
        )
    if not state.allows_connections:
        yield _setting(state, "lets no session in", "ALLOW_CONNECTIONS true", "closed")
    if state.connection_limit == _NOTHING:
        yield _setting(state, "has a connection limit of 0", "CONNECTION LIMIT -1", "limit")
    for transaction in state.prepared:
        yield _prepared(state, transaction)
    for subscription in state.subscriptions:
        if subscription.enabled:
            yield NeedsOperator(
                f"the subscription {subscription.name} writes into {state.name}: what it writes"
                " during an update would be lost if the update goes back",
                code="database.subscription",
                advice="switch it off for the update, and on again after it: "
                + state.console.typed(
                    f"ALTER SUBSCRIPTION {subscription.name} DISABLE", state.name
                ),
            )
    for slot in state.slots:
        if slot.active:
            yield NeedsOperator(
                f"a consumer reads from {state.name} by the replication slot {slot.name}: while it"
                " is connected, no rollback point can be made",
                code="database.slot_active",
                advice="stop the consumer for the update; where none is meant to be there: "
                + state.console.typed(_DROP_SLOT.format(slot.name), "postgres"),
            )


def lost_by_a_way_back(state: DatabaseState) -> Iterator[tuple[str, str]]:
    """What stays with the data that is put aside, should an update go back; and what to do."""
    goes_back = "is lost if an update with a schema change goes back"
    for slot in state.slots:
        lost = f"the replication slot {slot.name} of {state.name} {goes_back}"
        unused = state.console.typed(_DROP_SLOT.format(slot.name), "postgres")
        yield (f"{lost}: its consumer would have to copy the data anew", f"if unused: {unused}")
    for one in state.subscriptions:
        lost = f"the subscription {one.name} of {state.name} {goes_back}"
        unused = _drop_subscription(state, one)
        yield (f"{lost}, and keeps the copy put aside from being dropped", f"if unused: {unused}")


def against_a_drop(state: DatabaseState) -> NeedsOperator | None:
    """What keeps a database from being dropped; None where nothing of it is known."""
    said = f"cannot drop {state.name}, which an update left behind"
    for transaction in state.prepared:
        found = _prepared(state, transaction)
        return NeedsOperator(f"{said}: {found.message}", code=OCCUPIED, advice=found.advice)
    for one in state.subscriptions:
        return NeedsOperator(
            f"{said}: the subscription {one.name} lives in it",
            code=OCCUPIED,
            advice="if it is still wanted, make it anew in the application's database; then: "
            + _drop_subscription(state, one),
        )
    for slot in state.slots:
        if slot.active:
            return NeedsOperator(
                f"{said}: a consumer reads from it by the replication slot {slot.name}",
                code=OCCUPIED,
                advice="stop the consumer; where none is meant to be there: "
                + state.console.typed(_DROP_SLOT.format(slot.name), "postgres"),
            )
    return None


def against_an_image(
    state: DatabaseState, image: ServerImage, reference: str, *, of_release: bool
) -> AgentError | None:
    """Why a server from an image cannot serve the data that is there.

    Args:
        state: the application's database, as the present server has it.
        image: what the next server would be.
        reference: of that image.
        of_release: whether the release chooses it, and not the operator.
    """
    if image.major != state.major:
        said = f"{reference} is PostgreSQL {image.major}, and the data here is of {state.major}"
        if of_release:
            return StepFailed(
                f"{said}: it would not start on it",
                code="database.major",
                advice="nothing was stopped; report this to the association",
            )
        return NeedsOperator(
            f"{said}: it would not start on it",
            code="database.major",
            advice=f"name an image of PostgreSQL {state.major} again, in your override file or env"
            " file; then: koprogo-agent update",
        )
    known = image.extensions
    lacking = [one for one in state.extensions if known is not None and one not in known]
    if not lacking:
        return None
    names = ", ".join(lacking)
    dropped = "; ".join(f"DROP EXTENSION {one}" for one in lacking)
    return NeedsOperator(
        f"{reference} lacks what {state.name} uses: the extension {names}",
        code="database.extension",
        advice="name an image that has it in your override file; or, if nothing uses it:"
        f" {state.console.typed(dropped, state.name)}",
    )


OCCUPIED = "database.occupied"
"""Code of the fault that a database cannot be dropped, because something lives in it."""
_DROP_SLOT = "SELECT pg_drop_replication_slot('{}')"


def _other_collation(state: DatabaseState) -> NeedsOperator:
    """PostgreSQL copies no database whose indexes may be in another order than it would make them.

    An image without versions of its own (Alpine's) can refresh none: the record is taken away.
    """
    indexes = f'REINDEX DATABASE "{state.name}"'
    if state.collation_now:
        noted = f'ALTER DATABASE "{state.name}" REFRESH COLLATION VERSION'
    else:
        noted = f"UPDATE pg_database SET datcollversion = NULL WHERE datname = '{state.name}'"  # noqa: S608
    return NeedsOperator(
        f"the indexes of {state.name} were made with version {state.collation_recorded} of its"
        f" collation, and the server's image has {state.collation_now or 'none'}: PostgreSQL makes"
        " no copy of it",
        code="database.collation",
        advice="rebuild the indexes (writes wait meanwhile), then say so:"
        f" {state.console.typed(indexes, state.name)}"
        f" && {state.console.typed(noted, state.name)}",
    )


def _prepared(state: DatabaseState, one: Prepared) -> NeedsOperator:
    name = one.name.replace("'", "''")
    return NeedsOperator(
        f"{one.owner} has prepared the transaction {one.name!r} in {state.name} and not ended it",
        code="database.prepared",
        advice="end it, by COMMIT PREPARED or: "
        + state.console.typed(f"ROLLBACK PREPARED '{name}'", state.name),
    )


def _setting(state: DatabaseState, what: str, instead: str, code: str) -> NeedsOperator:
    return NeedsOperator(
        f"the database {state.name} {what}: a new version of the application could not connect",
        code=f"database.{code}",
        advice=state.console.typed(f'ALTER DATABASE "{state.name}" {instead}', "postgres"),
    )


def _drop_subscription(state: DatabaseState, one: Subscription) -> str:
    # Without its slot: the publisher may be away, and would have to answer.
    parts = ("DISABLE", "SET (slot_name = NONE)")
    words = [f"ALTER SUBSCRIPTION {one.name} {part}" for part in parts]
    # One `-c` is one transaction, in which a subscription that has a slot cannot be dropped.
    statements = (*words, f"DROP SUBSCRIPTION {one.name}")
    return " && ".join(state.console.typed(each, state.name) for each in statements)


def _in_quotes(statement: str) -> str:
    """In double quotes, which are easier to read, where the shell leaves all in them alone."""
    if any(sign in statement for sign in '"$`\\!'):
        return shlex.quote(statement)
    return f'"{statement}"'
