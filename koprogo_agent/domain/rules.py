"""Every trust rule that needs more than the tag's own bytes, one function each (DESIGN, section 7).

The agent and the release manager's tool hold a release against this same list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.armour import Statement
from koprogo_agent.domain.chain import CLOCK_SKEW
from koprogo_agent.domain.cosignatures import read_cosignatures
from koprogo_agent.domain.manifest import Manifest, find_block, parse
from koprogo_agent.domain.quorum import Signer, Testimony, require_entitled, require_quorum
from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.domain.tags import SignedTag
from koprogo_agent.domain.versions import Version, parse_tag
from koprogo_agent.errors import Refused


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
        floor_counter: lowest manifest counter that may ever be installed; 0 for any.
        first_oid: object id under which the tag was seen first; None when it is new.
        first_seen: when that was.
    """

    first_seen: datetime
    floor_version: Version | None = None
    floor_counter: int = 0
    first_oid: str | None = None


@dataclass(frozen=True)
class Claim:
    """What a tag says of itself, read and not yet believed.

    Attributes:
        manifest: the manifest in its message, or None.
        cosignatures: who else is said to vouch for the manifest.
    """

    tag: SignedTag
    version: Version
    manifest: Manifest | None
    cosignatures: tuple[Statement, ...]


def read_claim(tag: SignedTag) -> Claim:
    """Reads what a tag says of itself.

    Raises:
        Refused: its manifest or its co-signatures are not as their formats say.
    """
    line = find_block(tag.message)
    payload = None if line is None else line.encode(errors="surrogatepass")
    return Claim(
        tag=tag,
        version=parse_tag(tag.ref.name),
        manifest=None if line is None else parse(line),
        cosignatures=read_cosignatures(tag.message, f"the manifest of {tag.ref.name}", payload),
    )


@dataclass(frozen=True)
class Case:
    """Everything that a release is judged by.

    Attributes:
        claim: what the tag says of itself.
        tagger: who signed the tag.
        cosigners: what became of the co-signatures.
        root: the newest trust root that is believed here.
        policy: what the operator demands.
        memory: what this agent remembers of earlier releases.
        at: the time by our own clock.
    """

    claim: Claim
    tagger: Signer
    cosigners: Testimony
    root: Root
    policy: TrustPolicy
    memory: Memory
    at: datetime

    @property
    def name(self) -> str:
        """The tag's name."""
        return self.claim.tag.ref.name

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Those who count, each once.

        Raises:
            Refused: they are too few.
        """
        testimony = Testimony((self.tagger, *self.cosigners.signers), self.cosigners.doubts)
        role = self.root.role(RoleName.RELEASE)
        subject = f"release {self.name}"
        return require_quorum(subject, testimony, self.root, role, self.memory.first_seen)


@dataclass(frozen=True)
class Rule:
    """One rule of trust.

    Attributes:
        name: in one word.
        demand: what it asks of a release, for a person.
        check: raises `Refused` where the release does not satisfy it.
    """

    name: str
    demand: str
    check: Callable[[Case], object]


# --- the rules, in the order in which they are applied


def _never_moved(case: Case) -> None:
    oid = case.claim.tag.ref.oid
    if case.memory.first_oid not in {None, oid}:
        raise Refused(
            f"tag {case.name} was moved: it was first seen as {case.memory.first_oid} and is now"
            f" {oid}",
            code="tag.moved",
            advice="a signed release never changes; ask the release manager for a new version",
        )


def _signer_is_entitled(case: Case) -> None:
    role = case.root.role(RoleName.RELEASE)
    require_entitled(f"tag {case.name}", case.tagger, case.root, role, case.memory.first_seen)


def _enough_have_signed(case: Case) -> object:
    return case.signers


def _not_below_the_floor(case: Case) -> None:
    floor = case.memory.floor_version
    if floor is not None and case.claim.version < floor:
        raise Refused(
            f"release {case.name} is older than v{floor}, which this instance already runs or ran",
            code="trust.floor",
        )


def _has_a_manifest(case: Case) -> None:
    if case.claim.manifest is None and case.policy.require_manifest:
        raise Refused(
            f"release {case.name} carries no manifest",
            code="trust.no_manifest",
            advice="set trust.require_manifest = false to accept releases without one",
        )


def _of_this_version(case: Case) -> None:
    manifest = case.claim.manifest
    if manifest is not None and manifest.version != case.claim.version:
        raise Refused(
            f"tag {case.name} carries the manifest of version {manifest.version}",
            code="trust.version",
        )


def _of_this_commit(case: Case) -> None:
    manifest, commit = case.claim.manifest, case.claim.tag.commit
    if manifest is not None and manifest.commit != commit:
        raise Refused(
            f"tag {case.name} points at commit {commit}, but its manifest speaks of"
            f" {manifest.commit}",
            code="trust.commit",
        )


def _of_this_product(case: Case) -> None:
    manifest = case.claim.manifest
    if manifest is not None and manifest.product != case.policy.product:
        raise Refused(
            f"tag {case.name} is a release of {manifest.product!r}; this instance runs"
            f" {case.policy.product!r}",
            code="trust.product",
        )


def _is_issued(case: Case) -> None:
    manifest = case.claim.manifest
    if manifest is not None and manifest.issued > case.at + CLOCK_SKEW:
        raise Refused(
            f"release {case.name} says it was issued at {manifest.issued.isoformat()}, but it is"
            f" {case.at.isoformat(timespec='seconds')} here",
            code="trust.not_yet",
            advice="check this machine's clock: timedatectl",
        )


def _has_not_expired(case: Case) -> None:
    manifest = case.claim.manifest
    if manifest is not None and case.at >= manifest.expires:
        raise Refused(
            f"release {case.name} expired at {manifest.expires.isoformat()}, and it is"
            f" {case.at.isoformat(timespec='seconds')} here",
            code="trust.expired",
            advice="check this machine's clock: timedatectl; if it is right, wait for a newer"
            " release",
        )


def _counter_has_risen(case: Case) -> None:
    """Only the floor's own release may have the floor's counter."""
    manifest, reached = case.claim.manifest, case.memory.floor_counter
    if manifest is None:
        return
    if manifest.counter < reached:
        raise Refused(
            f"release {case.name} has the counter {manifest.counter}, below {reached}, which this"
            " instance already reached",
            code="trust.counter",
            advice="ask the release manager for a release with a higher counter",
        )
    if manifest.counter == reached and manifest.version != case.memory.floor_version:
        raise Refused(
            f"release {case.name} has the counter {manifest.counter}, as"
            f" v{case.memory.floor_version} has, which this instance already runs or ran; every"
            " release has a higher one",
            code="trust.counter",
            advice="ask the release manager for a release with the next counter",
        )


RULES = (
    Rule("unmoved", "it is the object under which it was first seen", _never_moved),
    Rule("signer", "whoever signed the tag may sign releases", _signer_is_entitled),
    Rule("threshold", "as many keys as must have signed it", _enough_have_signed),
    Rule("floor", "it is not older than what already ran here", _not_below_the_floor),
    Rule("manifest", "it carries a manifest", _has_a_manifest),
    Rule("version", "the manifest speaks of this version", _of_this_version),
    Rule("commit", "the manifest speaks of this commit", _of_this_commit),
    Rule("product", "the manifest speaks of this product", _of_this_product),
    Rule("issued", "it is issued", _is_issued),
    Rule("expires", "it has not expired", _has_not_expired),
    Rule("counter", "its counter has risen", _counter_has_risen),
)
