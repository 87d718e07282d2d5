"""Who may look at the dashboard."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.staff import IDLE, LONGEST, Staff

NOW = 1_795_000_000
PASSWORD = "correct horse battery"


@pytest.fixture
def staff(engine: Engine) -> Staff:
    """Ann, and nobody else."""
    made = Staff(engine)
    made.add("ann", PASSWORD, NOW)
    return made


def test_a_password_is_known_and_not_kept(staff: Staff, engine: Engine) -> None:
    """Only what argon2id makes of it is."""
    assert staff.knows("ann", PASSWORD)
    assert not staff.knows("ann", PASSWORD.upper())
    assert not staff.knows("bob", PASSWORD)
    with engine.connect() as connection:
        kept = connection.execute(select(schema.staff.c.hash)).scalar_one()
    assert kept.startswith("$argon2id$")


def test_a_provider_vouches_for_a_verified_email(staff: Staff) -> None:
    """In small letters or capitals; whoever bears it may have a password as well."""
    staff.add_vouched("eve@koprogo.com", NOW)
    staff.add("bob@koprogo.com", PASSWORD, NOW)
    assert staff.vouched("Eve@KoproGo.com", "1") == "eve@koprogo.com"
    assert staff.vouched("bob@koprogo.com", "1") == "bob@koprogo.com"
    strangers = ("", "mallory@koprogo.com", "ann", "eve@\u212aoprogo.com", "eve@koprogo.com\x00")
    assert [staff.vouched(email, "1") for email in (None, *strangers)] == [None] * 6


def test_it_vouches_for_a_subject_where_that_was_wanted(staff: Staff) -> None:
    """A password's `ann` is not the one whom the provider calls so; nor is a subject an email."""
    staff.add_vouched("1234-abcd", NOW)
    staff.add_vouched("eve@koprogo.com", NOW)
    assert staff.vouched(None, "1234-abcd") == "1234-abcd"
    others = ("ann", "eve@koprogo.com", "1234-ABCD", "", "x" * 5000, "1234-abcd\x00")
    assert [staff.vouched(None, subject) for subject in others] == [None] * 6


def test_who_is_vouched_for_has_no_password(staff: Staff, engine: Engine) -> None:
    """Not the one of before, and none that could be read from the table; sessions are over."""
    secret = staff.begin("ann", NOW)
    staff.add_vouched("ann", NOW)
    assert staff.who(secret, NOW) is None
    with engine.connect() as connection:
        kept = connection.execute(select(schema.staff.c.hash)).scalar_one()
    assert not any(staff.knows("ann", word) for word in (PASSWORD, kept, ""))
    with pytest.raises(NeedsOperator) as told:
        staff.add_vouched("Ann", NOW)
    assert told.value.code == "staff.name"


def test_names_are_plain_and_passwords_long(engine: Engine) -> None:
    """The ones are shown, logged and typed; the others could be guessed."""
    staff = Staff(engine)
    for name in ("", "Ann", "a b", "'; --", "é", "x" * 65):
        with pytest.raises(NeedsOperator) as told:
            staff.add(name, PASSWORD, NOW)
        assert told.value.code == "staff.name"
    with pytest.raises(NeedsOperator, match="12"):
        staff.add("bob", "hunter2", NOW)
    assert staff.names() == []


def test_a_session_lasts_while_it_is_used(staff: Staff) -> None:
    """For a week at most, and for half a day without a visit."""
    secret = staff.begin("ann", NOW)
    visits = range(NOW, NOW + LONGEST + 1, IDLE // 2)
    assert {staff.who(secret, at) for at in visits} == {"ann"}
    assert staff.who(secret, NOW + LONGEST + 1) is None
    quiet = staff.begin("ann", NOW)
    assert staff.who(quiet, NOW + IDLE + 1) is None


def test_whatever_else_is_no_session(engine: Engine) -> None:
    """Nor does it do any harm."""
    staff = Staff(engine)
    staff.begin("ann", NOW)
    assert [staff.who(secret, NOW) for secret in ("", "nonsense", "x" * 5000)] == [None] * 3


def test_who_leaves_is_out_everywhere(staff: Staff) -> None:
    """By their own word, by another password, or because somebody takes them out."""
    one, other = staff.begin("ann", NOW), staff.begin("ann", NOW)
    staff.end(one)
    assert (staff.who(one, NOW), staff.who(other, NOW)) == (None, "ann")
    staff.add("ann", "another password", NOW)
    assert staff.who(other, NOW) is None
    last = staff.begin("ann", NOW)
    assert staff.remove("ann")
    assert staff.who(last, NOW) is None
    assert not staff.remove("ann")


def test_only_the_hash_of_a_session_is_kept(engine: Engine) -> None:
    """Whoever reads the database can be nobody."""
    secret = Staff(engine).begin("ann", NOW)
    with engine.connect() as connection:
        rows = connection.execute(select(schema.session)).all()
    assert len(rows) == 1
    assert secret not in str(rows)
