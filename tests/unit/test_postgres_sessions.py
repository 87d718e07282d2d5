"""Who is connected, by the titles of PostgreSQL's processes."""

from __future__ import annotations

import pytest

from koprogo_agent.adapters.postgres.sessions import is_full, parse
from koprogo_agent.ports import Session, held_in_words

LISTED = """
postgres -c max_connections=15
postgres: checkpointer
postgres: logical replication launcher
postgres: koprogo koprogo_db 172.18.0.5(53422) idle
postgres: koprogo koprogo_db 172.18.0.5(53423) idle in transaction
postgres: main: koprogo postgres fd00::7(40000) SELECT
postgres: koprogo koprogo_db [local] idle
sh -c for one in /proc/[0-9]*
"""


def test_only_sessions_are_told() -> None:
    """Not the server's own processes, nor those of others in its container."""
    assert parse(LISTED) == (
        Session("koprogo", "koprogo_db", "172.18.0.5", "idle"),
        Session("koprogo", "koprogo_db", "172.18.0.5", "idle in transaction"),
        Session("koprogo", "postgres", "fd00::7", "SELECT"),
        Session("koprogo", "koprogo_db", "", "idle"),
    )


def test_who_holds_most_comes_first() -> None:
    """An operator reads whose pool is too large."""
    assert held_in_words(parse(LISTED)) == (
        "koprogo from 172.18.0.5 (koprogo_db): 2,"
        " koprogo from fd00::7 (postgres): 1,"
        " koprogo from the container itself (koprogo_db): 1"
    )
    assert held_in_words(()) == "no session that can be seen"


@pytest.mark.parametrize(
    ("complaint", "full"),
    [
        ("psql: error: connection to server failed: FATAL:  sorry, too many clients already", True),
        (
            "FATAL:  remaining connection slots are reserved for roles with",
            True,
        ),
        ('FATAL:  too many connections for role "koprogo"', True),
        ("FATAL:  the database system is starting up", False),
        ("", False),
    ],
)
def test_a_refusal_for_want_of_connections(complaint: str, *, full: bool) -> None:
    """By the words of PostgreSQL: a client that is refused gets no code."""
    assert is_full(complaint) is full
