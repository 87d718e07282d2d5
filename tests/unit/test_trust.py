"""From a claim to a verified release: what is read, what is kept, and who may build one."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from dataclasses import replace

import pytest

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.cosignatures import write_cosignatures
from koprogo_agent.domain.root import RoleName, read_root
from koprogo_agent.domain.rules import read_claim
from koprogo_agent.domain.trust import VerifiedRelease, verify
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import Refused
from tests.cases import (
    BARE,
    COMMIT,
    GOOD,
    LAX,
    OID,
    PEOPLE,
    ROLES,
    ROOT,
    SEEN,
    by,
    case,
    document,
    refusal,
    signer,
    tag,
)
from tests.simulation.signing import sign
from tests.simulation.trust import root


def test_a_good_release_is_verified_with_all_that_is_known_of_it() -> None:
    """The release carries the manifest, its witnesses and its first sight."""
    release = verify(GOOD)
    assert (release.tag, release.oid, release.commit) == ("v1.2.0", OID, COMMIT)
    assert release.version == parse_version("1.2.0")
    assert release.signers == (signer("ann"), signer("bob"))
    assert release.first_seen == SEEN
    assert release.manifest == GOOD.claim.manifest
    assert release.fingerprint == hashlib.sha256(encode(document())).hexdigest()
    assert release.era == ROOT.role(RoleName.RELEASE).era


def test_a_release_without_manifest_needs_the_operators_word() -> None:
    """Refused by default; where it is allowed, the tag's own id names it in the quarantine."""
    assert "trust.require_manifest = false" in refusal(case(BARE)).advice
    single = read_root(root(roles={**ROLES, "release": (PEOPLE, 1)}))
    release = verify(replace(case(BARE, policy=LAX), root=single, cosigners=by()))
    assert release.manifest is None
    assert release.fingerprint == hashlib.sha256(OID.encode()).hexdigest()


def test_without_a_manifest_only_a_single_key_can_release() -> None:
    """Others have nothing to sign; but the rules of signatures are not lax."""
    assert refusal(replace(case(BARE, policy=LAX), cosigners=by())).code == "trust.threshold"


def test_where_manifests_are_optional_a_broken_one_is_still_refused() -> None:
    """Damage to the manifest must not turn a strict release into a lax one."""
    broken = replace(tag(), message=tag().message.replace('"counter":7', '"counter": 7'))
    with pytest.raises(Refused) as caught:
        read_claim(broken)
    assert caught.value.code == "manifest.invalid"
    assert refusal(case(tag(product="other"), policy=LAX)).code == "trust.product"


def test_what_was_wrong_with_a_cosignature_is_told() -> None:
    """The release manager learns which of them was broken."""
    doubtful = replace(GOOD, cosigners=by(doubts=("the second is broken",)))
    assert "; the second is broken" in refusal(doubtful).message


def test_a_claim_holds_the_cosignatures_over_the_very_bytes_of_the_manifest() -> None:
    """Nothing about them is believed yet."""
    payload = encode(document())
    made = sign("bob", Purpose.RELEASE, payload)
    (statement,) = read_claim(tag(made)).cosignatures
    assert (statement.payload, statement.signature) == (payload, made)
    assert statement.subject == "the manifest of v1.2.0"
    assert read_claim(tag()).cosignatures == ()


def test_cosignatures_without_a_manifest_are_refused() -> None:
    """There is nothing that they could be about."""
    block = write_cosignatures([sign("bob", Purpose.RELEASE, b"")])
    with pytest.raises(Refused) as caught:
        read_claim(replace(BARE, message=f"Release\n\n{block}"))
    assert caught.value.code == "cosignatures.invalid"


def test_nobody_else_can_build_a_verified_release() -> None:
    """Neither by its constructor nor by changing a verified one."""
    release = verify(GOOD)
    values = {
        field.name: getattr(release, field.name) for field in dataclasses.fields(VerifiedRelease)
    }
    with pytest.raises(TypeError):
        VerifiedRelease(**values)
    for proof in (None, object(), True):
        with pytest.raises(TypeError):
            VerifiedRelease(**values, proof=proof)
    with pytest.raises((TypeError, ValueError)):
        replace(release, tag="v9.9.9")  # type: ignore[call-arg]  # what mypy refuses too
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.tag = "v9.9.9"  # type: ignore[misc]  # what mypy refuses too
    assert copy.copy(release) == release
