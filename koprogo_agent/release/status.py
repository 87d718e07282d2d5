"""How it stands with the trust root, freshness, the releases, and the drafts that lie about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from koprogo_agent.domain.chain import staleness
from koprogo_agent.errors import AgentError
from koprogo_agent.release import files
from koprogo_agent.release.draft import Draft
from koprogo_agent.release.endorse import root_before, stand
from koprogo_agent.release.product import Product
from koprogo_agent.release.releases import Releases
from koprogo_agent.release.signing import Tally
from koprogo_agent.release.trust import TrustState

_SOON = timedelta(days=60)
"""People must come together to renew a trust root: they need time for it."""


@dataclass(frozen=True)
class Lying:
    """A draft in the folder.

    Attributes:
        path: its file.
        subject: what it is: `release v1.2.0`, `trust root 2`.
        published: whether it is published, so that the file can go.
        tallies: how far the signing has come.
        fault: why it cannot be read, or an empty string.
    """

    path: Path
    subject: str = ""
    published: bool = False
    tallies: tuple[Tally, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Standing:
    """How it stands.

    Attributes:
        trust: None before the first trust root was published.
        releases: None then too.
        stale: why instances start nothing new by themselves, or an empty string.
        warnings: what somebody should see to, in words.
        drafts: what waits for signatures, or to be published.
    """

    trust: TrustState | None
    releases: Releases | None
    stale: str
    warnings: tuple[str, ...]
    drafts: tuple[Lying, ...]


def read_standing(product: Product, folder: Path, now: datetime) -> Standing:
    """How it stands, as far as this clone knows; nothing is asked of the remote."""
    trust = product.found_trust(now)
    drafts = tuple(_drafts(product, folder, trust, now))
    if trust is None:
        return Standing(None, None, "", (), drafts)
    return Standing(
        trust=trust,
        releases=product.releases(trust.root, now),
        stale=staleness(trust.root, trust.freshness, now),
        warnings=tuple(_warnings(trust, now)),
        drafts=drafts,
    )


def _warnings(trust: TrustState, now: datetime) -> Iterator[str]:
    for doubt in trust.doubts:
        yield f"not believed: {doubt.message}"
    for role in trust.root.by_one_alone:
        yield f"one stolen key is enough for the role {role}: its threshold is 1"
    if now < trust.root.expires < now + _SOON:
        days = (trust.root.expires - now).days
        yield f"{trust.root.subject} expires in {days} days: koprogo-release rotate"


def _drafts(
    product: Product, folder: Path, trust: TrustState | None, now: datetime
) -> Iterator[Lying]:
    for path in files.lying(folder, product.settings.product):
        try:
            yield _draft(product, path, trust, now)
        except AgentError as error:
            yield Lying(path, fault=error.message)


def _draft(product: Product, path: Path, trust: TrustState | None, now: datetime) -> Lying:
    content, signatures = files.read(path), product.signatures
    if isinstance(content, Draft):
        published = content.ref in product.clone.tags()
        tallies = stand(content, None, signatures, now)
        return Lying(path, f"release {content.name}", published, tallies)
    known = {root.envelope.sha256 for root in trust.roots} if trust else set()
    tallies = stand(content, root_before(trust, content), signatures, now)
    return Lying(path, content.subject, content.envelope.sha256 in known, tallies)
