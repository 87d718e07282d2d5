"""Adds one person's signature to a draft: on the tag where it completes the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.errors import Refused
from koprogo_agent.ports import Signatures
from koprogo_agent.release import keyring, roots
from koprogo_agent.release.deployed import require_same
from koprogo_agent.release.draft import Draft
from koprogo_agent.release.product import Product
from koprogo_agent.release.signing import Tally, count, sign
from koprogo_agent.release.trust import TrustState, tallies
from koprogo_agent.update.court import hear


@dataclass(frozen=True)
class Endorsed:
    """A draft after somebody was asked to sign it.

    Attributes:
        content: the draft as it is now.
        signer: the key that has signed it now; None where nothing has changed.
        note: why nothing has changed, where that is so.
    """

    content: Draft | Root
    signer: Key | None = None
    note: str = ""


def endorse_here(
    product: Product, content: Draft | Root, name: str | None, now: datetime
) -> Endorsed:
    """Signs a draft in a clone, after it was held against what the clone has.

    Raises:
        Refused: it is another (codes `file.*`, `draft.root`, `root.version`), or as below.
        NeedsOperator: as `endorse_release`.
    """
    if isinstance(content, Draft):
        require_right(product, content, now)
        return endorse_release(content, name, product.signatures, now)
    current = product.found_trust(now)
    if content.version != (current.root.version + 1 if current else 1):
        raise Refused(
            f"{content.subject} cannot follow {current.root.subject if current else 'nothing'}",
            code="root.version",
            advice="fetch what is published (git fetch), or make it again: koprogo-release rotate",
        )
    return endorse_root(content, current.root if current else None, name, product.signatures, now)


def endorse_alone(
    content: Draft | Root,
    current: Root | None,
    name: str | None,
    signatures: Signatures,
    now: datetime,
) -> Endorsed:
    """Signs a draft by itself, also where there is no clone; raises as `endorse_release`.

    Args:
        content: the draft.
        current: the trust root before it, where it is one and that is known.
        name: the name of the key, or None for the one at hand.
        signatures: the tools that check signatures.
        now: our own clock.
    """
    if isinstance(content, Draft):
        return endorse_release(content, name, signatures, now)
    return endorse_root(content, current, name, signatures, now)


def root_before(trust: TrustState | None, root: Root) -> Root | None:
    """The trust root that another one follows, where a clone is at hand that knows it."""
    known = trust.roots if trust else ()
    place = (root.product, root.version - 1)
    return next((one for one in known if (one.product, one.version) == place), None)


def stand(
    content: Draft | Root, current: Root | None, signatures: Signatures, now: datetime
) -> tuple[Tally, ...]:
    """How far the signing has come, by each of the quorums that must be reached."""
    if isinstance(content, Draft):
        return (release_tally(content, content.root, signatures, now),)
    return tallies(current, content, signatures, now)


def release_tally(draft: Draft, root: Root, signatures: Signatures, now: datetime) -> Tally:
    """How far the signing of a release has come."""
    testimony = hear(signatures, draft.statements, root.keys, now)
    return count(testimony, root, RoleName.RELEASE, now)


def require_right(product: Product, draft: Draft, now: datetime) -> None:
    """A draft must be what this clone has, under the trust root in force.

    Raises:
        Refused: a file is another (codes `file.*`), or so is the trust root (`draft.root`).
        NeedsOperator: this clone does not have the commit.
    """
    root = product.trust(now).root
    if draft.root.envelope.sha256 != root.envelope.sha256:
        raise Refused(
            f"the draft was prepared under {draft.root.subject}, and {root.subject} is in force",
            code="draft.root",
            advice=f"prepare it again: koprogo-release prepare {draft.manifest.version}",
        )
    require_same(product.clone, draft.manifest.commit, draft.manifest.files)


def endorse_release(
    draft: Draft, name: str | None, signatures: Signatures, now: datetime
) -> Endorsed:
    """Signs a release.

    Args:
        draft: the release.
        name: the name of the key, or None for the one at hand.
        signatures: the tools that check signatures.
        now: our own clock.

    Raises:
        NeedsOperator: there is no such key at hand (codes `key.*`).
        Refused: the signature on the tag that is there is not good (code `draft.signature`).
    """
    root = draft.root
    tally = release_tally(draft, root, signatures, now)
    if draft.signature:
        if tally.missing:
            raise Refused(
                "the tag is signed, and yet too few have signed the release",
                code="draft.signature",
                advice="see which signature is bad: koprogo-release verify FILE",
            )
        return Endorsed(draft, note="it is signed by all who must; nothing was changed")
    role = tally.role
    key = keyring.choose(role.keys, f"release keys of {root.subject}", name)
    if tally.holds(key):
        return Endorsed(draft, note=f"{key.name} has signed it already; nothing was changed")
    if tally.missing > 1:
        about = (draft.manifest_subject, Purpose.RELEASE, draft.manifest_bytes)
        return Endorsed(draft.cosigned(sign(key, *about, signatures, now)), key)
    about = (f"tag {draft.name}", Purpose.TAG, draft.payload)
    return Endorsed(draft.completed(sign(key, *about, signatures, now)), key)


def endorse_root(
    root: Root, current: Root | None, name: str | None, signatures: Signatures, now: datetime
) -> Endorsed:
    """Signs a trust root.

    Args:
        root: the trust root.
        current: the one in force, or None where it is not known or there is none.
        name: the name of the key, or None for the one at hand.
        signatures: the tools that check signatures.
        now: our own clock.

    Raises:
        NeedsOperator: there is no such key at hand (codes `key.*`).
    """
    counted = tallies(current, root, signatures, now)
    able = {key.fingerprint: key for tally in counted for key in tally.role.keys}
    key = keyring.choose(tuple(able.values()), f"root keys of {root.subject}", name)
    if any(tally.holds(key) for tally in counted):
        return Endorsed(root, note=f"{key.name} has signed it already; nothing was changed")
    made = sign(key, root.subject, Purpose.ROOT, root.envelope.payload, signatures, now)
    return Endorsed(roots.signed(root, made), key)
