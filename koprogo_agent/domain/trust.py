"""Every trust rule that needs more than the tag's own bytes (DESIGN, section 7).

A `VerifiedRelease` is built here and nowhere else, and nothing else can be planned or applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.manifest import Manifest
from koprogo_agent.domain.versions import Version


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
class VerifiedRelease:
    """A release that satisfies every trust rule.

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
