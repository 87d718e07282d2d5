"""Words about releases that are published: hold, release, yank, roll out, or the same again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from koprogo_agent.domain.freshness import Rollout
from koprogo_agent.domain.versions import Version, parse_version, tag_name
from koprogo_agent.errors import Refused
from koprogo_agent.release.freshening import VALID, Word
from koprogo_agent.release.product import Product
from koprogo_agent.release.publication import Publication, commit
from koprogo_agent.release.renewal import renew
from koprogo_agent.update.authority import FRESHNESS

_BEFORE_ALL = "git fetch --tags; koprogo-release status lists those that there are"


def again(product: Product, now: datetime, valid: timedelta, name: str | None) -> Publication:
    """The same words, under a new date, and which releases there are now.

    Args:
        product: the product.
        now: our own clock.
        valid: how long it is good.
        name: the name of the key, or None for those at hand.

    Raises:
        NeedsOperator: too few freshness keys are at hand (codes `key.*`).
        Refused: this clone lacks a release that was named before (code `freshness.behind`).
    """
    return _say(product, lambda word: word, "Renew freshness", now, name, valid)


def hold(product: Product, text: str, reason: str, now: datetime, name: str | None) -> Publication:
    """Nobody should take a release now; raises as `again`.

    Raises:
        Refused: there is no such release (`version.unknown`), or it was yanked.
    """
    version = find_version(product, text)
    return _say(product, lambda word: word.hold(version, reason), f"Hold v{version}", now, name)


def release_hold(product: Product, text: str, now: datetime, name: str | None) -> Publication:
    """Whoever waits for a release may take it; raises as `hold`, or where it is not held."""
    version = find_version(product, text)
    return _say(product, lambda word: word.release(version), f"Release v{version}", now, name)


def yank(product: Product, text: str, reason: str, now: datetime, name: str | None) -> Publication:
    """Nobody should ever take a release; raises as `hold`."""
    version = find_version(product, text)
    return _say(product, lambda word: word.yank(version, reason), f"Yank v{version}", now, name)


def roll_out(
    product: Product, text: str, plan: Rollout, now: datetime, name: str | None
) -> Publication:
    """A release reaches the fleet little by little; raises as `hold`."""
    version = find_version(product, text)
    message = f"Roll out v{version}"
    return _say(product, lambda word: word.roll_out(version, plan), message, now, name)


def find_version(product: Product, text: str) -> Version:
    """The version of a release that there is, with `v` before it or without.

    Raises:
        Refused: it is no version, or there is no such tag (code `version.unknown`).
    """
    version = parse_version(text.removeprefix("v"))
    if tag_name(version) not in {ref.name for ref in product.clone.tags()}:
        raise Refused(
            f"this clone has no release v{version}", code="version.unknown", advice=_BEFORE_ALL
        )
    return version


def _say(
    product: Product,
    change: Callable[[Word], Word],
    message: str,
    now: datetime,
    name: str | None,
    valid: timedelta = VALID,
) -> Publication:
    trust = product.trust(now)
    word = change(Word.of(trust.last))
    releases = product.releases(trust.root, now)
    freshness = renew(product, trust, releases, word, now, valid, name)
    branch = commit(product, trust.tip, {FRESHNESS: freshness}, message)
    return Publication(branch=branch, freshness=freshness)
