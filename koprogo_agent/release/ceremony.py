"""Trust roots in a clone: the first one is begun, or the next one, before anybody signs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.release.product import Product
from koprogo_agent.release.releases import lost
from koprogo_agent.release.roots import Change, first_root, next_root


@dataclass(frozen=True)
class Succession:
    """A trust root that follows another.

    Attributes:
        current: the one in force.
        root: the next one.
        lost: releases that nobody can newly install once it is in force.
        leaving: those who are taken out and must sign it all the same, since too few of those
            who could sign in their place stay; empty where enough stay.
    """

    current: Root
    root: Root
    lost: tuple[VerifiedRelease, ...]
    leaving: tuple[str, ...]


def begin(product: Product, change: Change, now: datetime) -> Root:
    """The first trust root.

    Raises:
        NeedsOperator: there is one already (code `root.exists`), or as `first_root`.
    """
    if product.branch.tip() is not None:
        raise NeedsOperator(
            f"{product.settings.product} has a trust root already",
            code="root.exists",
            advice="see it: koprogo-release status; to change it: koprogo-release rotate",
        )
    return first_root(product.settings.product, change, now)


def succeed(product: Product, change: Change, now: datetime) -> Succession:
    """The trust root after the one in force; raises as `next_root`."""
    current = product.trust(now).root
    root = next_root(current, change, now)
    before = product.releases(current, now).verified
    role = current.role(RoleName.ROOT)
    kept = {key.fingerprint for key in root.keys}
    leaving = tuple(key.name for key in role.keys if key.fingerprint not in kept)
    enough = len(role.keys) - len(leaving) >= role.threshold
    return Succession(
        current=current,
        root=root,
        lost=lost(before, product.releases(root, now)),
        leaving=() if enough else leaving,
    )
