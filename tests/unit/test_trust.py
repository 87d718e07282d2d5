"""Every trust rule beyond the tag's own bytes, and who may build a verified release."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from koprogo_agent.domain import manifest as manifests
from koprogo_agent.domain.tags import SignatureKind, SignedTag, TagRef
from koprogo_agent.domain.trust import (
    CLOCK_SKEW,
    Memory,
    Signer,
    TrustPolicy,
    VerifiedRelease,
    verify,
)
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import Refused

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OID, COMMIT = "a" * 40, "c" * 40
SIGNER = Signer("ssh", "SHA256:abc", "association")
POLICY = TrustPolicy("koprogo", require_manifest=True)
FRESH = Memory()


def document(**changes: object) -> dict[str, Any]:
    """The manifest of v1.2.0, with changes."""
    return {
        "format": 1,
        "product": "koprogo",
        "channel": "stable",
        "version": "1.2.0",
        "counter": 7,
        "commit": COMMIT,
        "images": {"backend": {"repository": "ghcr.io/k/b", "digest": f"sha256:{'1' * 64}"}},
        "files": {"docker-compose.yml": "2" * 64},
        "migrations": {"path": "backend/migrations", "works_with": []},
        "upgrade_from": [],
        "agent_min": "0.1.0",
        "severity": "routine",
        "issued": "2026-11-23T11:00:00Z",
        "expires": "2027-11-23T11:00:00Z",
        **changes,
    }


def tag(**changes: object) -> SignedTag:
    """The tag v1.2.0 with a manifest that has these changes."""
    line = manifests.encode(document(**changes)).decode()
    message = f"Release\n\n{manifests.BEGIN}\n{line}\n{manifests.END}\n"
    return SignedTag(TagRef("v1.2.0", OID), COMMIT, message, b"", b"", SignatureKind.SSH)


BARE = replace(tag(), message="Release 1.2.0\n")


def judge(
    candidate: SignedTag,
    policy: TrustPolicy = POLICY,
    memory: Memory = FRESH,
    now: datetime = NOW,
) -> VerifiedRelease:
    """Verifies a tag that was first seen an hour ago."""
    return verify(candidate, SIGNER, NOW - timedelta(hours=1), policy, memory, now)


def code(
    candidate: SignedTag,
    policy: TrustPolicy = POLICY,
    memory: Memory = FRESH,
    now: datetime = NOW,
) -> str:
    """The code with which a tag is refused."""
    with pytest.raises(Refused) as caught:
        judge(candidate, policy, memory, now)
    assert caught.value.message[0].islower()
    assert not caught.value.message.endswith(".")
    return caught.value.code


def test_a_good_release_is_verified_with_all_that_is_known_of_it() -> None:
    """The release carries the manifest, its witness and its first sight."""
    release = judge(tag())
    assert (release.tag, release.oid, release.commit) == ("v1.2.0", OID, COMMIT)
    assert release.version == parse_version("1.2.0")
    assert release.signers == (SIGNER,)
    assert release.first_seen == NOW - timedelta(hours=1)
    assert release.manifest is not None
    assert release.fingerprint == release.manifest.sha256


def test_a_release_without_manifest_needs_the_operators_word() -> None:
    """Refused by default; where it is allowed, the tag's own id names it in the quarantine."""
    assert code(BARE) == "trust.no_manifest"
    release = judge(BARE, policy=replace(POLICY, require_manifest=False))
    assert release.manifest is None
    assert release.fingerprint == hashlib.sha256(OID.encode()).hexdigest()


def test_where_manifests_are_optional_a_broken_one_is_still_refused() -> None:
    """Damage to the manifest must not turn a strict release into a lax one."""
    lax = replace(POLICY, require_manifest=False)
    broken = replace(tag(), message=tag().message.replace('"counter":7', '"counter": 7'))
    assert code(broken, policy=lax) == "manifest.invalid"
    assert code(tag(product="other"), policy=lax) == "trust.product"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": "1.1.0"}, "trust.version"),
        ({"version": "1.2.0-rc.1"}, "trust.version"),
        ({"commit": "d" * 40}, "trust.commit"),
        ({"product": "koprogo-beta"}, "trust.product"),
    ],
)
def test_a_manifest_speaks_of_its_own_tag_only(changes: dict[str, str], expected: str) -> None:
    """A manifest copied from another release, commit or product is refused."""
    assert code(tag(**changes)) == expected


def test_a_release_from_the_future_is_refused_beyond_the_skew_of_clocks() -> None:
    """Ten minutes are forgiven, a second more is not."""
    issued = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    assert judge(tag(), now=issued - CLOCK_SKEW)
    assert code(tag(), now=issued - CLOCK_SKEW - timedelta(seconds=1)) == "trust.not_yet"


def test_an_expired_release_is_refused() -> None:
    """At the instant of expiry, not after it."""
    expires = datetime(2027, 11, 23, 11, 0, tzinfo=UTC)
    assert judge(tag(), now=expires - timedelta(seconds=1))
    assert code(tag(), now=expires) == "trust.expired"


@pytest.mark.parametrize("policy", [POLICY, replace(POLICY, require_manifest=False)])
def test_a_version_below_the_floor_is_refused(policy: TrustPolicy) -> None:
    """An old release with known holes is not a release; the floor's own version is."""
    candidate = tag() if policy.require_manifest else BARE
    below = Memory(floor_version=parse_version("1.2.1-rc.1"))
    assert code(candidate, policy=policy, memory=below) == "trust.floor"
    assert judge(candidate, policy, Memory(floor_version=parse_version("1.2.0")))


def test_a_counter_below_the_floor_is_refused() -> None:
    """A higher version number on older content is a way back."""
    assert code(tag(), memory=Memory(parse_version("1.1.0"), 8)) == "trust.floor"
    assert judge(tag(), memory=Memory(parse_version("1.1.0"), 6))


def test_a_counter_that_has_not_risen_is_refused() -> None:
    """Only the release that set the floor may have the floor's own counter."""
    assert code(tag(), memory=Memory(parse_version("1.1.0"), 7)) == "trust.floor"
    assert judge(tag(), memory=Memory(parse_version("1.2.0"), 7))


def test_a_tag_that_moved_is_refused_with_both_ids() -> None:
    """Whoever reads the refusal can look up both objects."""
    with pytest.raises(Refused, match=f"{'b' * 40}.*{OID}") as caught:
        judge(tag(), memory=Memory(first_oid="b" * 40))
    assert caught.value.code == "tag.moved"
    assert judge(tag(), memory=Memory(first_oid=OID))


def test_nobody_else_can_build_a_verified_release() -> None:
    """Neither by its constructor nor by changing a verified one."""
    release = judge(tag())
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
