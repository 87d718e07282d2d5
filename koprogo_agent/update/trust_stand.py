"""How it stands with trust on this machine: for whoever asks, from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from koprogo_agent.domain.chain import root_expiry, staleness
from koprogo_agent.domain.freshness import Freshness
from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.settings import Settings
from koprogo_agent.update.authority import RefusedDocument, refused_documents, yanked
from koprogo_agent.update.documents import Documents
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.standing import Standing

_SOON = timedelta(days=60)
"""A trust root that expires within it is worth a warning: people must come together to renew it."""


@dataclass(frozen=True)
class TrustStand:
    """Trust root and freshness as they are believed here.

    Attributes:
        freshness: the freshness document, or None.
        stale: why nothing new may start by itself, or an empty string.
        refused: what the source last had that is not believed, by what it should have been.
        yanked: why the association took back what is installed, or an empty string.
        warnings: what is allowed and dangerous, in words.
    """

    root: Root
    freshness: Freshness | None
    stale: str
    refused: dict[str, RefusedDocument]
    yanked: str
    warnings: tuple[str, ...]


def read_trust_stand(journal: Journal, settings: Settings, now: datetime) -> TrustStand | None:
    """Reads how it stands with trust; None before the agent has first looked."""
    documents = Documents(journal.store)
    root = documents.root
    if root is None:
        return None
    freshness = documents.freshness(root)
    required = settings.trust.require_freshness
    stale = staleness(root, freshness, now) if required else root_expiry(root, now)
    return TrustStand(
        root=root,
        freshness=freshness,
        stale=stale if _has_polled(journal) else "",
        refused=refused_documents(journal),
        yanked=yanked(journal.installed, freshness),
        warnings=_warnings(root, settings, now),
    )


def _has_polled(journal: Journal) -> bool:
    """During the first poll the root is there, and what vouches for its time is not yet."""
    polls = Standing(journal).polls
    return polls.succeeded is not None or polls.failing_since is not None


def quorum(root: Root, name: RoleName) -> str:
    """Who may speak in a role, in words: `2 of alice, bob, carol`."""
    role = root.role(name)
    return f"{role.threshold} of {', '.join(key.name for key in role.keys)}"


def _warnings(root: Root, settings: Settings, now: datetime) -> tuple[str, ...]:
    found = [
        f"one stolen key is enough to sign {_MEANS[name]} (role {name}: {quorum(root, name)})"
        for name in root.by_one_alone
    ]
    if root.expires - now < _SOON:
        found.append(f"{root.subject} expires at {root.expires.isoformat()}")
    if not settings.trust.require_freshness:
        found.append("trust.require_freshness is off: a source that turns time back is not noticed")
    return tuple(found)


_MEANS = {RoleName.ROOT: "another trust root", RoleName.RELEASE: "a release"}
