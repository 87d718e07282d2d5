"""What PostgreSQL will refuse, told from the state of a database."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from koprogo_agent.adapters.postgres.image import read
from koprogo_agent.domain.database import (
    OCCUPIED,
    Console,
    DatabaseState,
    OpenTransaction,
    Prepared,
    ServerImage,
    Slot,
    Subscription,
    against_a_drop,
    against_a_point,
    against_an_exchange,
    against_an_image,
    lost_by_a_way_back,
)
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed

SOUND = DatabaseState(
    name="koprogo_db",
    console=Console("koprogo", "postgres", "koprogo"),
    major=15,
    collation_recorded="2.36",
    collation_now="2.36",
    extensions=("plpgsql", "pg_trgm"),
)
BEGINS = ["docker", "compose", "-p", "koprogo", "exec", "postgres", "psql", "-U", "koprogo"]


def test_a_sound_database() -> None:
    """Nothing is said of it, unused slots and disabled subscriptions included."""
    idle = replace(
        SOUND,
        slots=(Slot("reports", active=False),),
        subscriptions=(Subscription("theirs", enabled=False),),
        transactions=(OpenTransaction(7, "koprogo from 10.0.0.2", 299.0),),
    )
    for state in (SOUND, idle, replace(SOUND, collation_recorded="", collation_now="")):
        assert list(against_a_point(state)) == []


@pytest.mark.parametrize(
    ("state", "code", "typed"),
    [
        (
            replace(SOUND, superuser=False),
            "not_superuser",
            'ALTER ROLE "koprogo" SUPERUSER',
        ),
        (
            replace(SOUND, allows_connections=False),
            "closed",
            'ALTER DATABASE "koprogo_db" ALLOW_CONNECTIONS true',
        ),
        (
            replace(SOUND, connection_limit=0),
            "limit",
            'ALTER DATABASE "koprogo_db" CONNECTION LIMIT -1',
        ),
        (
            replace(SOUND, prepared=(Prepared("it's", "bank"),)),
            "prepared",
            "ROLLBACK PREPARED 'it''s'",
        ),
        (
            replace(SOUND, subscriptions=(Subscription("theirs", enabled=True),)),
            "subscription",
            "ALTER SUBSCRIPTION theirs DISABLE",
        ),
        (
            replace(SOUND, slots=(Slot("reports", active=True),)),
            "slot_active",
            "SELECT pg_drop_replication_slot('reports')",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_hinders_both(state: DatabaseState, code: str, typed: str) -> None:
    """Each has a message of its own, and says what to type, which a shell reads as it is meant."""
    (found,) = against_an_exchange(state)
    assert isinstance(found, NeedsOperator)
    assert found.code == f"database.{code}"
    assert [one.code for one in against_a_point(state)] == [found.code]
    assert any(word.endswith(typed) for word in [found.advice, *words(found.advice)])


def words(advice: str) -> list[str]:
    """The words of the command in an advice, as a shell reads them."""
    command = advice[advice.find("docker ") :] if "docker " in advice else ""
    found = shlex.split(command)
    assert not found or found[: len(BEGINS)] == BEGINS
    return found


@pytest.mark.parametrize(
    ("now", "typed"),
    [
        ("2.31", 'ALTER DATABASE "koprogo_db" REFRESH COLLATION VERSION'),
        ("", "UPDATE pg_database SET datcollversion = NULL WHERE datname = 'koprogo_db'"),
    ],
    ids=["other", "none"],
)
def test_a_collation_of_another_version(now: str, typed: str) -> None:
    """An image that has no versions can refresh none: PostgreSQL refuses it."""
    state = replace(SOUND, collation_now=now)
    (found,) = against_a_point(state)
    assert isinstance(found, NeedsOperator)
    assert found.code == "database.collation"
    assert words(found.advice)[-1] == typed
    assert 'REINDEX DATABASE "koprogo_db"' in words(found.advice)
    assert list(against_an_exchange(state)) == [], "a backup is restored into an empty database"


def test_a_long_transaction() -> None:
    """It passes: nobody needs to be called."""
    open_for = replace(SOUND, transactions=(OpenTransaction(7, "koprogo from 10.0.0.2", 3000.0),))
    (found,) = against_a_point(open_for)
    assert isinstance(found, RetryLater)
    assert "koprogo from 10.0.0.2 has had a transaction open in koprogo_db for 50" in found.message
    assert words(found.advice)[-1] == "SELECT pg_terminate_backend(7)"


def test_what_a_way_back_loses() -> None:
    """Slots and subscriptions stay with the data that is put aside."""
    state = replace(
        SOUND,
        slots=(Slot("reports", active=False),),
        subscriptions=(Subscription("theirs", enabled=False),),
    )
    slot, subscription = lost_by_a_way_back(state)
    assert "the replication slot reports of koprogo_db is lost" in slot[0]
    assert "the subscription theirs of koprogo_db is lost" in subscription[0]
    assert words(subscription[1])[-1] == "DROP SUBSCRIPTION theirs"
    assert list(lost_by_a_way_back(SOUND)) == []


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (replace(SOUND, prepared=(Prepared("x", "bank"),)), "bank has prepared"),
        (
            replace(SOUND, subscriptions=(Subscription("theirs", enabled=False),)),
            "the subscription theirs lives in it",
        ),
        (replace(SOUND, slots=(Slot("reports", active=True),)), "replication slot reports"),
    ],
    ids=["prepared", "subscription", "slot"],
)
def test_what_keeps_a_leftover(held: DatabaseState, named: str) -> None:
    """It is named, with what to type."""
    found = against_a_drop(held)
    assert found is not None
    assert found.code == OCCUPIED
    assert named in found.message
    assert words(found.advice)


def test_nothing_keeps_a_leftover() -> None:
    """An unused slot goes with its database."""
    assert against_a_drop(replace(SOUND, slots=(Slot("reports", active=False),))) is None


def test_an_image_of_another_major_version() -> None:
    """Who names it is at fault: the release, or the operator."""
    other = ServerImage(16, frozenset({"plpgsql", "pg_trgm"}))
    blamed = against_an_image(SOUND, other, "postgres:16", of_release=True)
    asked = against_an_image(SOUND, other, "postgres:16", of_release=False)
    assert isinstance(blamed, StepFailed)
    assert isinstance(asked, NeedsOperator)
    assert blamed.code == asked.code == "database.major"
    assert "postgres:16 is PostgreSQL 16, and the data here is of 15" in blamed.message


def test_an_image_without_an_extension() -> None:
    """What the operator has installed is not for a release to know; not knowing is no fault."""
    plain = ServerImage(15, frozenset({"plpgsql"}))
    found = against_an_image(SOUND, plain, "postgres:15", of_release=True)
    assert isinstance(found, NeedsOperator)
    assert "the extension pg_trgm" in found.message
    assert words(found.advice)[-1] == "DROP EXTENSION pg_trgm"
    assert against_an_image(SOUND, ServerImage(15, None), "postgres:15", of_release=True) is None


@pytest.mark.parametrize(
    ("printed", "image"),
    [
        (
            "postgres (PostgreSQL) 15.18 (Debian)\npg_trgm.control\npg_trgm--1.6.sql\n",
            ServerImage(15, frozenset({"pg_trgm"})),
        ),
        ("postgres (PostgreSQL) 17beta1\n", ServerImage(17, None)),
        ("sh: postgres: not found\n", None),
        ("", None),
    ],
    ids=["debian", "no extension", "no postgres", "nothing"],
)
def test_what_an_image_says(printed: str, image: ServerImage | None) -> None:
    """What cannot be read is not known."""
    assert read(printed) == image
