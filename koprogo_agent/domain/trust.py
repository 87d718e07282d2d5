"""What makes a release one that may be applied (DESIGN, section 7).

A `VerifiedRelease` is built here and nowhere else, and nothing else can be planned or applied.
"""

from __future__ import annotations

import hashlib
from dataclasses import InitVar, dataclass
from datetime import datetime

from koprogo_agent.domain.manifest import Manifest
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.domain.root import RoleName
from koprogo_agent.domain.rules import RULES, Case
from koprogo_agent.domain.versions import Version

# Only this module holds it, so only this module can build a VerifiedRelease.
_PROOF = object()


@dataclass(frozen=True)
class VerifiedRelease:
    """A release that satisfies every trust rule. Only `verify` can build one.

    Attributes:
        tag: name of the tag, `v1.2.0`.
        oid: object id of the tag; with it the release is the same bytes for ever.
        commit: id of the commit that the tag points at.
        manifest: the manifest, or None where the operator accepts releases without one.
        signers: who vouched for it, each key once; first whoever signed the tag.
        first_seen: when this agent first saw the tag.
        fingerprint: names the release in the quarantine: hash of the manifest, else of the tag.
        era: the set of release keys under which its counter counts (`Role.era`).
    """

    tag: str
    version: Version
    oid: str
    commit: str
    manifest: Manifest | None
    signers: tuple[Signer, ...]
    first_seen: datetime
    fingerprint: str
    era: str
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        """Lets nobody build a release that was not verified, not even by mistake."""
        if proof is not _PROOF:
            raise TypeError("a VerifiedRelease comes only from koprogo_agent.domain.trust.verify")


def verify(case: Case) -> VerifiedRelease:
    """Applies every rule.

    Raises:
        Refused: a rule is broken. What depends on the time must be judged anew: codes
            `trust.not_yet` and `trust.expired`.
    """
    for rule in RULES:
        rule.check(case)
    tag, manifest = case.claim.tag, case.claim.manifest
    return VerifiedRelease(
        tag=tag.ref.name,
        version=case.claim.version,
        oid=tag.ref.oid,
        commit=tag.commit,
        manifest=manifest,
        signers=case.signers,
        first_seen=case.memory.first_seen,
        fingerprint=manifest.sha256
        if manifest
        else hashlib.sha256(tag.ref.oid.encode()).hexdigest(),
        era=case.root.role(RoleName.RELEASE).era,
        proof=_PROOF,
    )
