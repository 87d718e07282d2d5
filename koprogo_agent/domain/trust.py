"""Every trust rule that needs more than the tag's own bytes (DESIGN, section 7).

A `VerifiedRelease` is built here and nowhere else, and nothing else can be planned or applied.
"""

from __future__ import annotations

import hashlib
from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta

from koprogo_agent.domain.manifest import Manifest, find_block, parse
from koprogo_agent.domain.tags import SignedTag
from koprogo_agent.domain.versions import Version, parse_tag
from koprogo_agent.errors import Refused

# A release manager's clock may run ahead of ours by this much.
CLOCK_SKEW = timedelta(minutes=10)

# Only this module holds it, so only this module can build a VerifiedRelease.
_PROOF = object()


@dataclass(frozen=True)
class Signer:
    """Who signed: the identity that a trusted key proved.

    Attributes:
        kind: `ssh` or `gpg`.
        key: fingerprint of the key; for GPG that of the primary key.
        name: the name that the trust directory gives to the key.
    """

    kind: str
    key: str
    name: str


@dataclass(frozen=True)
class TrustPolicy:
    """What the operator demands of a release.

    Attributes:
        product: the product that this instance runs; a manifest for another one is refused.
        require_manifest: whether a release must carry a manifest.
    """

    product: str
    require_manifest: bool


@dataclass(frozen=True)
class Memory:
    """What this agent remembers of earlier releases.

    Attributes:
        floor_version: lowest version that may ever be installed; None before the first commit.
        floor_counter: lowest manifest counter that may ever be installed.
        first_oid: object id under which the tag was seen first; None when it is new.
    """

    floor_version: Version | None = None
    floor_counter: int = 0
    first_oid: str | None = None


@dataclass(frozen=True)
class VerifiedRelease:
    """A release that satisfies every trust rule. Only `verify` can build one.

    Attributes:
        tag: name of the tag, `v1.2.0`.
        oid: object id of the tag; with it the release is the same bytes for ever.
        commit: id of the commit that the tag points at.
        manifest: the manifest, or None where the operator accepts releases without one.
        signers: who vouched for it.
        first_seen: when this agent first saw the tag.
        fingerprint: names the release in the quarantine: hash of the manifest, else of the tag.
    """

    tag: str
    version: Version
    oid: str
    commit: str
    manifest: Manifest | None
    signers: tuple[Signer, ...]
    first_seen: datetime
    fingerprint: str
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        """Lets nobody build a release that was not verified, not even by mistake."""
        if proof is not _PROOF:
            raise TypeError("a VerifiedRelease comes only from koprogo_agent.domain.trust.verify")


def verify(
    tag: SignedTag,
    signer: Signer,
    first_seen: datetime,
    policy: TrustPolicy,
    memory: Memory,
    now: datetime,
) -> VerifiedRelease:
    """Applies every rule that needs more than the tag's own bytes.

    Args:
        tag: the tag, as `read_tag` gave it.
        signer: who signed it, judged at `first_seen`.
        first_seen: when this agent first saw the tag.
        policy: what the operator demands.
        memory: what this agent remembers of earlier releases.
        now: our own clock.

    Raises:
        Refused: a rule is broken. Codes: `tag.moved`, `trust.no_manifest`, `trust.version`,
            `trust.commit`, `trust.product`, `trust.not_yet`, `trust.expired`, `trust.floor`, and
            the manifest's. What depends on `now` must be judged anew: `.not_yet`, `.expired`.
    """
    name, oid = tag.ref.name, tag.ref.oid
    if memory.first_oid not in {None, oid}:
        raise Refused(
            f"tag {name} was moved: it was first seen as {memory.first_oid} and is now {oid}",
            code="tag.moved",
            advice="a signed release never changes; ask the release manager for a new version",
        )
    version = parse_tag(name)
    if memory.floor_version is not None and version < memory.floor_version:
        raise Refused(
            f"release {name} is older than v{memory.floor_version}, which this instance"
            " already runs or ran",
            code="trust.floor",
        )
    line = find_block(tag.message)
    manifest = None if line is None else parse(line)
    if manifest is not None:
        _require_same_release(tag, version, manifest, policy)
        _require_timely(name, manifest, now)
        _require_risen(name, manifest, memory)
    elif policy.require_manifest:
        raise Refused(
            f"release {name} carries no manifest",
            code="trust.no_manifest",
            advice="set trust.require_manifest = false to accept releases without one",
        )
    return VerifiedRelease(
        tag=name,
        version=version,
        oid=oid,
        commit=tag.commit,
        manifest=manifest,
        signers=(signer,),
        first_seen=first_seen,
        fingerprint=manifest.sha256 if manifest else hashlib.sha256(oid.encode()).hexdigest(),
        proof=_PROOF,
    )


def _require_same_release(
    tag: SignedTag, version: Version, manifest: Manifest, policy: TrustPolicy
) -> None:
    """The manifest must speak of this very tag, commit and product."""
    name = tag.ref.name
    if manifest.version != version:
        raise Refused(
            f"tag {name} carries the manifest of version {manifest.version}", code="trust.version"
        )
    if manifest.commit != tag.commit:
        raise Refused(
            f"tag {name} points at commit {tag.commit}, but its manifest speaks of"
            f" {manifest.commit}",
            code="trust.commit",
        )
    if manifest.product != policy.product:
        raise Refused(
            f"tag {name} is a release of {manifest.product!r}; this instance runs"
            f" {policy.product!r}",
            code="trust.product",
        )


def _require_timely(name: str, manifest: Manifest, now: datetime) -> None:
    """The manifest must be of our time."""
    if manifest.issued > now + CLOCK_SKEW:
        raise Refused(
            f"release {name} says it was issued at {manifest.issued.isoformat()}, but it is"
            f" {now.isoformat(timespec='seconds')} here",
            code="trust.not_yet",
            advice="check this machine's clock: timedatectl",
        )
    if now >= manifest.expires:
        raise Refused(
            f"release {name} expired at {manifest.expires.isoformat()}, and it is"
            f" {now.isoformat(timespec='seconds')} here",
            code="trust.expired",
            advice="check this machine's clock: timedatectl; if it is right, wait for a newer"
            " release",
        )


def _require_risen(name: str, manifest: Manifest, memory: Memory) -> None:
    """The counter rises with every release: only the floor's own release may have the floor's."""
    reached = memory.floor_counter
    if manifest.counter < reached:
        raise Refused(
            f"release {name} has the counter {manifest.counter}, below {reached}, which this"
            " instance already reached",
            code="trust.floor",
        )
    if manifest.counter == reached and manifest.version != memory.floor_version:
        raise Refused(
            f"release {name} has the counter {manifest.counter}, as v{memory.floor_version} has,"
            " which this instance already runs or ran; every release has a higher one",
            code="trust.floor",
            advice="ask the release manager for a release with the next counter",
        )
