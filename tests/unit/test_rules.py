"""Each rule of trust by itself: what it keeps out, and where exactly it begins to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.chain import CLOCK_SKEW
from koprogo_agent.domain.root import read_root
from koprogo_agent.domain.rules import RULES, Case, Memory, TrustPolicy, read_claim
from koprogo_agent.domain.trust import verify
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import Refused
from tests.cases import (
    BARE,
    EXPIRES,
    GOOD,
    ISSUED,
    LAX,
    OID,
    PEOPLE,
    POLICY,
    ROLES,
    ROOT,
    SEEN,
    by,
    case,
    refusal,
    remembering,
    signer,
    tag,
)
from tests.simulation.signing import fingerprint, public
from tests.simulation.trust import root

INSTANT = timedelta(microseconds=1)


def code(broken: Case) -> str:
    """The code with which a release is refused."""
    return refusal(broken).code


def objecting(judged: Case) -> list[str]:
    """The names of the rules that a release breaks."""
    names = []
    for rule in RULES:
        try:
            rule.check(judged)
        except Refused:
            names.append(rule.name)
    return names


BROKEN = {
    "unmoved": (remembering(first_oid="b" * 40), "tag.moved"),
    "signer": (replace(GOOD, tagger=signer("eve"), cosigners=by("ann", "bob")), "signature.role"),
    "threshold": (replace(GOOD, cosigners=by()), "trust.threshold"),
    "floor": (remembering(floor_version=parse_version("1.2.1")), "trust.floor"),
    "manifest": (case(BARE), "trust.no_manifest"),
    "version": (case(tag(version="1.2.1")), "trust.version"),
    "commit": (case(tag(commit="d" * 40)), "trust.commit"),
    "product": (case(tag(product="koprogo-beta")), "trust.product"),
    "issued": (case(tag(), at=ISSUED - timedelta(hours=1)), "trust.not_yet"),
    "expires": (case(tag(), at=EXPIRES), "trust.expired"),
    "counter": (remembering(floor_counter=8), "trust.counter"),
}


def test_each_rule_has_a_release_that_it_alone_keeps_out() -> None:
    """In the order in which they are applied; each asks for something, in words."""
    assert [rule.name for rule in RULES] == list(BROKEN)
    assert all(rule.demand for rule in RULES)
    assert objecting(GOOD) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_release_that_breaks_one_rule_is_refused(name: str) -> None:
    """Without that rule it would be installed."""
    broken, expected = BROKEN[name]
    assert objecting(broken) == [name]
    assert code(broken) == expected


# --- who signed


def test_whoever_signed_the_tag_counts_once() -> None:
    """Whose co-signature is there too has still signed with one key."""
    assert code(replace(GOOD, cosigners=by("ann", "ann"))) == "trust.threshold"
    every = replace(GOOD, cosigners=by("ann", "bob", "ann", "cem", "bob"))
    assert verify(every).signers == (signer("ann"), signer("bob"), signer("cem"))


@pytest.mark.parametrize("stranger", ["dan", "job", "eve"])
def test_only_keys_of_the_release_role_count(stranger: str) -> None:
    """Not those of root or freshness, and no stranger's: as tagger or as co-signer."""
    assert code(replace(GOOD, tagger=signer(stranger), cosigners=by(*PEOPLE))) == "signature.role"
    assert code(replace(GOOD, cosigners=by(stranger))) == "trust.threshold"
    assert verify(replace(GOOD, cosigners=by(stranger, "bob"))).signers == GOOD.signers


def test_what_is_revoked_here_does_not_count() -> None:
    """Neither as tagger nor as co-signer."""

    def without(name: str) -> Case:
        return replace(GOOD, root=replace(ROOT, revoked=frozenset({fingerprint(name)})))

    assert code(without("ann")) == "signature.revoked"
    assert code(without("bob")) == "trust.threshold"
    assert verify(without("cem"))


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_a_signature_is_judged_at_first_sight(name: str) -> None:
    """Not at the tagger's date, and not today: a key that has ended since was good."""
    limits = {"valid_from": instant(SEEN), "valid_until": instant(SEEN + timedelta(minutes=1))}
    free = {"valid_from": None, "valid_until": None}
    entries = {
        one: {
            "kind": "ssh",
            "fingerprint": fingerprint(one),
            "public": public(one),
            **(limits if one == name else free),
        }
        for one in (*PEOPLE, "dan", "job")
    }
    limited = replace(GOOD, root=read_root(root(3, ROLES, keys=entries)))
    early, late = {
        "ann": ("signature.not_yet", "signature.expired"),
        "bob": ("signature.not_yet", "trust.threshold"),
    }[name]
    for seen in (SEEN, SEEN + timedelta(minutes=1) - INSTANT):
        assert verify(replace(limited, memory=Memory(seen)))
    assert code(replace(limited, memory=Memory(SEEN - INSTANT))) == early
    assert code(replace(limited, memory=Memory(SEEN + timedelta(minutes=1)))) == late


# --- what it is


def test_a_tag_that_moved_is_refused_with_both_ids() -> None:
    """Whoever reads the refusal can look up both objects."""
    error = refusal(remembering(first_oid="b" * 40))
    assert f"first seen as {'b' * 40} and is now {OID}" in error.message
    assert verify(remembering(first_oid=OID))


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0-rc.1", "1.2.1", "2.0.0"])
def test_a_manifest_of_another_version_is_refused(version: str) -> None:
    """A manifest copied from another release, older or newer."""
    assert code(case(tag(version=version))) == "trust.version"


@pytest.mark.parametrize("policy", [POLICY, LAX])
@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_version_below_the_floor_is_refused(policy: TrustPolicy, has_manifest: bool) -> None:  # noqa: FBT001
    """An old release with known holes is not a release; the floor's own version is."""
    judged = replace(GOOD, policy=policy, claim=read_claim(tag() if has_manifest else BARE))
    assert code(replace(judged, memory=Memory(SEEN, parse_version("1.2.1-rc.1")))) == "trust.floor"
    if has_manifest or policy is LAX:
        for version in ("1.2.0", "1.2.0-rc.1", "1.1.9"):
            assert verify(replace(judged, memory=Memory(SEEN, parse_version(version))))


# --- when


def test_a_release_from_the_future_is_refused_beyond_the_skew_of_clocks() -> None:
    """Ten minutes are forgiven, an instant more is not."""
    assert timedelta(minutes=10) == CLOCK_SKEW
    assert verify(case(tag(), at=ISSUED - CLOCK_SKEW))
    assert code(case(tag(), at=ISSUED - CLOCK_SKEW - INSTANT)) == "trust.not_yet"


def test_an_expired_release_is_refused() -> None:
    """At the instant of expiry, not after it."""
    assert verify(case(tag(), at=EXPIRES - INSTANT))
    assert code(case(tag(), at=EXPIRES)) == "trust.expired"


def test_without_a_manifest_no_time_is_known() -> None:
    """Whatever the clock says."""
    for at in (ISSUED - timedelta(days=9999), EXPIRES + timedelta(days=9999)):
        assert verify(case(BARE, policy=LAX, at=at))


# --- its counter


@pytest.mark.parametrize("floor", ["1.1.0", None])
def test_a_counter_that_has_not_risen_is_refused(floor: str | None) -> None:
    """A higher version number on older content is a way back."""
    version = parse_version(floor) if floor else None
    assert verify(remembering(floor_version=version, floor_counter=6))
    for counter in (7, 8):
        assert code(remembering(floor_version=version, floor_counter=counter)) == "trust.counter"


def test_only_the_release_that_set_the_floor_may_have_its_counter() -> None:
    """Installed again it is the same release; a lower counter of it is not."""
    same = parse_version("1.2.0")
    assert verify(remembering(floor_version=same, floor_counter=7))
    assert code(remembering(floor_version=same, floor_counter=8)) == "trust.counter"


def test_before_the_first_release_any_counter_will_do() -> None:
    """And so it is in a new era of the release keys, where the floor's counter is 0."""
    assert verify(case(tag(counter=1)))


def test_without_a_manifest_there_is_no_counter() -> None:
    """The version alone keeps old releases out."""
    bare = case(BARE, policy=LAX)
    assert verify(replace(bare, memory=Memory(SEEN, floor_counter=99)))
