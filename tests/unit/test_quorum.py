"""Whose signatures count, and whether they are enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain import quorum
from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.quorum import Signer, require_entitled, require_quorum
from koprogo_agent.domain.root import Role, RoleName, read_root
from koprogo_agent.errors import Refused
from tests.simulation.clock import EPOCH
from tests.simulation.signing import fingerprint, public
from tests.simulation.trust import Roles, root

PEOPLE = ("ann", "bob", "cem")
ROLES: Roles = {
    "root": (("dan",), 1),
    "release": (PEOPLE, 2),
    "freshness": (("job",), 1),
}
FROM, UNTIL = EPOCH + timedelta(days=10), EPOCH + timedelta(days=20)
WITHIN = EPOCH + timedelta(days=15)
INSTANT = timedelta(microseconds=1)
ENTRIES = {
    name: {
        "kind": "ssh",
        "fingerprint": fingerprint(name),
        "public": public(name),
        "valid_from": instant(FROM),
        "valid_until": instant(UNTIL),
    }
    for name in (*PEOPLE, "dan", "job")
}
ROOT = read_root(root(roles=ROLES, keys=ENTRIES))
RELEASE = ROOT.role(RoleName.RELEASE)


def signer(name: str) -> Signer:
    """Somebody who signed."""
    return Signer("ssh", fingerprint(name), name)


def witness(*names: str, doubts: tuple[str, ...] = ()) -> quorum.Testimony:
    """What these people signed."""
    return quorum.Testimony(tuple(signer(name) for name in names), doubts)


def code(name: str, at: datetime = WITHIN, revoked: frozenset[str] = frozenset()) -> str:
    """The code with which somebody's key is refused, or nothing."""
    trusted = replace(ROOT, revoked=revoked)
    with pytest.raises(Refused) as caught:
        require_entitled("tag v1.0.0", signer(name), trusted, RELEASE, at)
    message = f"the signature on tag v1.0.0 was made with the key {name} ({fingerprint(name)}), "
    assert caught.value.message.startswith(message)
    return caught.value.code


def entitle(*names: str, at: datetime = WITHIN, role: Role = RELEASE) -> None:
    """Makes sure that these are entitled."""
    for name in names:
        require_entitled("tag v1.0.0", signer(name), ROOT, role, at)


def counted(
    testimony: quorum.Testimony, at: datetime = WITHIN, revoked: frozenset[str] = frozenset()
) -> list[str]:
    """The names of those who count."""
    trusted = replace(ROOT, revoked=revoked)
    return [one.name for one in require_quorum("release v1", testimony, trusted, RELEASE, at)]


def shortfall(
    testimony: quorum.Testimony,
    at: datetime = WITHIN,
    revoked: frozenset[str] = frozenset(),
    code: str = "trust.threshold",
) -> str:
    """Why they are too few."""
    with pytest.raises(Refused) as caught:
        counted(testimony, at, revoked)
    assert caught.value.code == code
    assert "these may sign: ann, bob, cem" in caught.value.advice
    return caught.value.message


def test_a_key_of_the_role_is_entitled_while_it_is_valid() -> None:
    """Each of them, and the keys of other roles are not: not even those of the root."""
    entitle(*PEOPLE)
    assert [code(name) for name in ("dan", "job", "eve")] == ["signature.role"] * 3


def test_a_key_is_valid_from_its_first_instant() -> None:
    """At it, not after it."""
    entitle("ann", at=FROM)
    assert code("ann", FROM - INSTANT) == "signature.not_yet"


def test_a_key_is_valid_until_its_last_instant() -> None:
    """Before it, not at it."""
    entitle("ann", at=UNTIL - INSTANT)
    assert code("ann", UNTIL) == "signature.expired"


@pytest.mark.parametrize("at", [EPOCH - timedelta(days=9999), EPOCH + timedelta(days=9999)])
@pytest.mark.parametrize("limit", ["valid_from", "valid_until"])
def test_a_key_without_a_limit_is_not_limited(at: datetime, limit: str) -> None:
    """Each limit stands for itself."""
    entries = {name: {**entry, limit: None} for name, entry in ENTRIES.items()}
    role = read_root(root(roles=ROLES, keys=entries)).role(RoleName.RELEASE)
    if (limit == "valid_from") is (at < EPOCH):
        entitle("ann", at=at, role=role)
    else:
        with pytest.raises(Refused):
            entitle("ann", at=at, role=role)


def test_what_the_operator_revoked_is_not_entitled() -> None:
    """Whatever the root says, and before anything else is said of the key."""
    revoked = frozenset({fingerprint("ann")})
    assert code("ann", revoked=revoked) == "signature.revoked"
    assert code("ann", UNTIL, revoked) == "signature.revoked"
    require_entitled("x", signer("bob"), replace(ROOT, revoked=revoked), RELEASE, WITHIN)


def test_a_name_entitles_nobody() -> None:
    """Keys are told apart by their fingerprints."""
    impostor = replace(signer("eve"), name="ann")
    with pytest.raises(Refused) as caught:
        require_entitled("tag v1.0.0", impostor, ROOT, RELEASE, WITHIN)
    assert caught.value.code == "signature.role"
    assert "1 of the 2" in shortfall(quorum.Testimony((signer("bob"), impostor)))
    renamed = replace(signer("ann"), name="eve")
    assert counted(quorum.Testimony((signer("bob"), renamed))) == ["bob", "eve"]


def test_the_threshold_itself_is_enough_and_one_less_is_not() -> None:
    """Two of three; more do no harm."""
    assert counted(witness("ann", "cem")) == ["ann", "cem"]
    assert counted(witness(*PEOPLE)) == list(PEOPLE)
    assert "is signed by 1 of the 2 keys that must sign it: bob" in shortfall(witness("bob"))
    assert "is signed by 0 of the 2 keys that must sign it: none" in shortfall(witness())


def test_one_key_counts_once_however_often_it_signed() -> None:
    """Under whatever name."""
    assert "1 of the 2" in shortfall(witness("ann", "ann", "ann"))
    twice = quorum.Testimony((signer("ann"), replace(signer("ann"), name="ann at home")))
    assert "1 of the 2" in shortfall(twice)
    assert counted(witness("bob", "ann", "bob")) == ["bob", "ann"]


def test_who_is_outside_the_role_does_not_count() -> None:
    """Keys of other roles and strangers; the refusal says so of each."""
    message = shortfall(witness("ann", "dan", "eve"))
    assert "1 of the 2" in message
    assert "dan does not count" in message
    assert "not one of the release keys of trust root 1" in message
    assert counted(witness("eve", "ann", "dan", "bob")) == ["ann", "bob"]


def test_who_is_not_valid_at_the_instant_does_not_count() -> None:
    """The ends are those of a single signer."""
    for at in (FROM, UNTIL - INSTANT):
        assert counted(witness("ann", "bob"), at) == ["ann", "bob"]
    early = shortfall(witness("ann", "bob"), FROM - INSTANT, code="signature.not_yet")
    assert "0 of the 2" in early
    assert "not valid before" in early
    assert shortfall(witness("ann", "ann"), FROM - INSTANT), "time alone does not mend it"
    assert "not valid since" in shortfall(witness("ann", "bob"), UNTIL)


def test_who_is_revoked_here_does_not_count() -> None:
    """The operator's own brake takes a key out of every threshold."""
    revoked = frozenset({fingerprint("ann")})
    assert "revoked on this machine" in shortfall(witness("ann", "bob"), revoked=revoked)
    assert counted(witness(*PEOPLE), revoked=revoked) == ["bob", "cem"]


def test_what_was_wrong_with_other_signatures_is_told() -> None:
    """So that the release manager learns which of three was broken."""
    message = shortfall(witness("ann", doubts=("the second is broken", "the third is empty")))
    assert "; the second is broken; the third is empty" in message
    assert counted(witness("ann", "bob", doubts=("the third is broken",))) == ["ann", "bob"]


@given(
    names=st.lists(st.sampled_from((*PEOPLE, "dan", "job", "eve")), max_size=12),
    revoked=st.sets(st.sampled_from(PEOPLE)),
)
def test_who_counts_is_a_set_of_valid_keys_of_the_role(names: list[str], revoked: set[str]) -> None:
    """Whoever signed, how often and in which order."""
    entitled = (set(names) & set(PEOPLE)) - revoked
    prints = frozenset(fingerprint(name) for name in revoked)
    if len(entitled) < 2:
        assert shortfall(witness(*names), revoked=prints)
    else:
        found = counted(witness(*names), revoked=prints)
        assert sorted(found) == sorted(entitled)
        assert found == sorted(found, key=names.index)
