"""Renews the freshness document: which releases there are now, and what was said of them before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.canonical import MOST
from koprogo_agent.domain.freshness import Freshness, Highest
from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.ports import Signatures
from koprogo_agent.release import freshening, keyring
from koprogo_agent.release.freshening import VALID, Word, next_freshness
from koprogo_agent.release.product import Product
from koprogo_agent.release.releases import Releases
from koprogo_agent.release.signing import sign
from koprogo_agent.release.trust import TrustState


def renew(
    product: Product,
    trust: TrustState,
    releases: Releases,
    word: Word,
    now: datetime,
    valid: timedelta = VALID,
    name: str | None = None,
) -> Freshness:
    """The next freshness document, signed.

    Args:
        product: the product.
        trust: how it stands with trust.
        releases: the releases that there are.
        word: what is said of them.
        now: our own clock.
        valid: how long it is good.
        name: the name of the key, or None for those at hand.

    Raises:
        NeedsOperator: too few freshness keys are at hand (codes `key.*`).
        Refused: this clone lacks a release that was named before (code `freshness.behind`).
    """
    channels = _channels(trust, releases)
    made = next_freshness(trust.root, _last_version(trust), channels, word, now, valid)
    return _signed(made, trust.root, name, product.signatures, now)


def can_freshen(root: Root) -> bool:
    """Whether enough freshness keys are at hand."""
    role = root.role(RoleName.FRESHNESS)
    return len(keyring.at_hand(role.keys)) >= role.threshold


def lacking(root: Root) -> NeedsOperator:
    """That too few freshness keys are at hand, and what to do about it."""
    return keyring.absent(root.role(RoleName.FRESHNESS).keys, f"freshness keys of {root.subject}")


def _channels(trust: TrustState, releases: Releases) -> Mapping[str, Highest]:
    said = trust.freshness.channels if trust.freshness else {}
    for highest in said.values():
        if releases.of(highest.version) is None:
            raise Refused(
                f"this clone does not have v{highest.version}, which the freshness document names",
                code="freshness.behind",
                advice="git fetch --tags; if nobody has published it, a freshness key was misused:"
                " koprogo-release rotate",
            )
    return releases.channels()


def _last_version(trust: TrustState) -> int:
    """The version to count on from; whoever was taken out has no say in it beyond reach."""
    if trust.last is None or (trust.freshness is None and trust.last.version >= MOST):
        return 0
    return trust.last.version


def _signed(
    freshness: Freshness, root: Root, name: str | None, signatures: Signatures, now: datetime
) -> Freshness:
    """Signs a freshness document with as many of the keys at hand as must sign it.

    Raises:
        NeedsOperator: too few are at hand (codes `key.*`).
    """
    role = root.role(RoleName.FRESHNESS)
    called = f"freshness keys of {root.subject}"
    keys = (keyring.choose(role.keys, called, name),) if name else keyring.at_hand(role.keys)
    if len(keys) < role.threshold:
        raise lacking(root)
    payload = freshness.envelope.payload
    made = tuple(
        sign(key, freshness.subject, Purpose.FRESHNESS, payload, signatures, now)
        for key in keys[: role.threshold]
    )
    return freshening.signed(freshness, made)
