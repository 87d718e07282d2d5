"""The trust root as a document: what is read, and everything that is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from koprogo_agent.domain.armour import Kind, Purpose
from koprogo_agent.domain.canonical import encode, instant
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.root import MAX_KEYS, RoleName, read_root
from koprogo_agent.errors import Refused
from tests.simulation.clock import EPOCH
from tests.simulation.signing import fingerprint, public, sign
from tests.simulation.trust import LONG, Roles, document, root

PEOPLE = ("ann", "bob", "cem")
ROLES: Roles = {"root": (PEOPLE, 2), "release": (PEOPLE, 2), "freshness": (("job",), 1)}


def entry(name: str, **changes: object) -> dict[str, Any]:
    """The entry of somebody's key."""
    plain = {"kind": "ssh", "fingerprint": fingerprint(name), "public": public(name)}
    return {**plain, "valid_from": None, "valid_until": None, **changes}


def roles(**changes: object) -> dict[str, Any]:
    """The roles as they are written, with changes."""
    plain = {name: {"keys": list(keys), "threshold": of} for name, (keys, of) in ROLES.items()}
    return {**plain, **changes}


WHOLE: dict[str, Any] = read_root(root(roles=ROLES)).envelope.document


def changed(**changes: object) -> bytes:
    """The file of the trust root of three people, with changes; nobody has signed it."""
    return document({**WHOLE, **changes}, Purpose.ROOT, ())


def of_roles(keys: Sequence[str], threshold: int) -> Roles:
    """Three roles with the same keys."""
    return dict.fromkeys(ROLES, (keys, threshold))


def refusal(raw: bytes) -> str:
    """Why a file is refused."""
    with pytest.raises(Refused) as caught:
        read_root(raw)
    assert caught.value.code == "root.invalid"
    assert caught.value.message.startswith("the trust root is refused: ")
    return caught.value.message


def test_a_trust_root_is_read_whole() -> None:
    """Every field arrives in its type; nothing is revoked by a document alone."""
    found = read_root(changed(version=7))
    assert (found.product, found.version, found.subject) == ("koprogo", 7, "trust root 7")
    assert (found.issued, found.expires) == (EPOCH, EPOCH + LONG)
    assert [key.name for key in found.keys] == ["ann", "bob", "cem", "job"]
    assert found.keys[0] == Key("ann", Kind.SSH, fingerprint("ann"), public("ann"))
    assert found.role(RoleName.ROOT).keys == found.keys[:3]
    assert found.role(RoleName.ROOT).threshold == 2
    assert found.role(RoleName.FRESHNESS).keys == found.keys[3:]
    assert [role.name for role in found.roles.values()] == list(RoleName)
    assert found.revoked == frozenset()


def test_its_statements_are_about_its_own_bytes() -> None:
    """Each signature, for the one purpose."""
    raw = root(roles=ROLES, signers=("ann", "bob"))
    found = read_root(raw)
    assert [one.signature for one in found.statements] == [
        sign(name, Purpose.ROOT, found.envelope.payload) for name in ("ann", "bob")
    ]
    assert {one.purpose for one in found.statements} == {Purpose.ROOT}
    assert {one.payload for one in found.statements} == {found.envelope.payload}
    assert {one.subject for one in found.statements} == {"trust root 1"}
    assert found.envelope.raw() == raw


KEYS = ("type", "format", "product", "version", "issued", "expires", "keys", "roles")


@pytest.mark.parametrize("key", KEYS)
def test_every_field_is_needed_and_no_other_is_allowed(key: str) -> None:
    """A field that this agent does not know could be a limit that it would ignore."""
    less = {name: value for name, value in WHOLE.items() if name != key}
    assert set(WHOLE) == set(KEYS)
    assert "exactly the keys" in refusal(document(less, Purpose.ROOT, ()))
    assert "exactly the keys" in refusal(changed(**{f"{key}2": 1}))


BAD: dict[str, list[object]] = {
    "type": ["koprogo-freshness", "", 1, None],
    "format": [2, 0, True, "1", 1.0],
    "product": ["", "a b", 1, "x" * 65],
    "version": [0, -1, "1", True, 2**53],
    "issued": ["2026-01-05", 1, None],
    "expires": ["2026-01-05T12:00:00Z", "2025-01-05T12:00:00Z", "never"],
    "keys": [
        {},
        [],
        {"ann": "x"},
        {"ann": {}},
        {"ann": entry("bob", public=public("ann"))},
        {"ann ": entry("ann")},
        {"": entry("ann")},
        {"ann": entry("ann", comment="x")},
    ],
    "roles": [
        {},
        [],
        {"root": roles()["root"], "release": roles()["release"]},
        roles(deputy=roles()["root"]),
        roles(root={"keys": ["ann"]}),
        roles(root={"keys": ["ann"], "threshold": 1, "expires": None}),
        roles(root={"keys": "ann", "threshold": 1}),
        roles(root={"keys": ["ann"], "threshold": "1"}),
        roles(root=["ann"]),
    ],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in BAD for value in BAD[key]])
def test_a_value_that_the_format_does_not_allow_is_refused(key: str, value: object) -> None:
    """Each field has one form; what is not in it is refused, never mended."""
    assert refusal(changed(**{key: value}))


@pytest.mark.parametrize("content", [None, [], "x", 1])
def test_a_trust_root_is_an_object(content: object) -> None:
    """Other JSON is none."""
    raw = encode({"signed": content, "signatures": []})
    assert refusal(raw).endswith("it is not an object")


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_signed_document_is_refused(raw: bytes) -> None:
    """As a trust root, whatever it is."""
    assert refusal(raw)


@pytest.mark.parametrize("name", ["", " ann", "ann\n", "-ann", "a" * 65, "a,b", "\x1b[2J"])
def test_a_key_has_a_name_that_no_tool_takes_for_more(name: str) -> None:
    """It stands in messages, and on command lines."""
    named = {name: entry("ann")}
    every = {role: {"keys": [name], "threshold": 1} for role in ROLES}
    assert "a key has the name" in refusal(changed(keys=named, roles=every))


def test_one_key_under_two_names_is_refused() -> None:
    """One person would meet a threshold of two."""
    both = {"ann": entry("ann"), "ann2": entry("ann")}
    every = {name: {"keys": ["ann", "ann2"], "threshold": 2} for name in ROLES}
    assert "one key under two names" in refusal(changed(keys=both, roles=every))


def test_one_name_twice_in_a_role_is_refused() -> None:
    """Its threshold would look higher than it is."""
    twice = {"keys": ["ann", "ann"], "threshold": 2}
    assert "names one key twice" in refusal(changed(roles=roles(root=twice)))


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ({"keys": ["ann", "dan"], "threshold": 1}, "names the key 'dan', which it does not hold"),
        ({"keys": [], "threshold": 1}, "has no key"),
        ({"keys": [], "threshold": 0}, "has no key"),
        ({"keys": ["ann", "bob"], "threshold": 0}, "from 1 to 2"),
        ({"keys": ["ann", "bob"], "threshold": 3}, "from 1 to 2"),
    ],
)
def test_a_role_can_be_filled(role: dict[str, object], words: str) -> None:
    """By keys that the root holds, and by no more of them than there are."""
    assert words in refusal(changed(roles=roles(release=role)))


def test_a_threshold_may_be_one_or_all() -> None:
    """Both ends belong to it."""
    for threshold in (1, 3):
        found = read_root(root(roles=of_roles(PEOPLE, threshold)))
        assert found.role(RoleName.ROOT).threshold == threshold


def test_a_root_holds_so_many_keys_and_not_one_more() -> None:
    """A bound on what each signature is held against."""
    people = [f"p{number:02}" for number in range(MAX_KEYS + 1)]
    assert len(read_root(root(roles=of_roles(people[:1], 1))).keys) == 1
    most = read_root(root(roles=of_roles(people[:-1], 1)))
    assert len(most.keys) == len(most.role(RoleName.ROOT).keys) == MAX_KEYS == 50
    more = {name: entry(name) for name in people}
    every = {name: {"keys": people[:1], "threshold": 1} for name in ROLES}
    assert "1 to 50 keys" in refusal(changed(keys=more, roles=every))
    assert "1 to 50 keys" in refusal(changed(keys={}))
    assert "more than 50" in refusal(changed(roles=roles(root={"keys": people, "threshold": 1})))


def test_a_role_by_one_alone_is_told() -> None:
    """For releases and roots; freshness cannot start anything, and is one key by nature."""
    assert read_root(changed()).by_one_alone == ()
    single = read_root(root(roles=of_roles(PEOPLE, 1)))
    assert single.by_one_alone == (RoleName.ROOT, RoleName.RELEASE)
    mixed: Roles = {**ROLES, "release": (("ann",), 1)}
    assert read_root(root(roles=mixed)).by_one_alone == (RoleName.RELEASE,)


def test_an_era_is_the_set_of_a_roles_keys() -> None:
    """Not their order or number needed: only taking a key in or out begins another."""

    def era(keys: Sequence[str], threshold: int = 1, version: int = 1) -> str:
        filled = read_root(root(version, {**ROLES, "release": (keys, threshold)}))
        return filled.role(RoleName.RELEASE).era

    same = era(("ann", "bob"))
    assert era(("bob", "ann")) == era(("ann", "bob"), 2) == era(("ann", "bob"), version=9) == same
    assert len({same, era(("ann",)), era(("ann", "bob", "cem")), era(("ann", "cem"))}) == 4


def test_a_key_under_another_name_begins_no_era() -> None:
    """Names are for people."""
    renamed = {"anna": entry("ann"), "b": entry("bob")}
    every = {name: {"keys": ["anna", "b"], "threshold": 1} for name in ROLES}
    found = read_root(changed(keys=renamed, roles=every))
    usual = read_root(root(roles=of_roles(("ann", "bob"), 1)))
    assert found.role(RoleName.RELEASE).era == usual.role(RoleName.RELEASE).era


def test_a_period_of_one_second_is_one() -> None:
    """The shortest root that there can be."""
    late = EPOCH + timedelta(seconds=1)
    assert read_root(changed(expires=instant(late))).expires == late
