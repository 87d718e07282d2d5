"""The fleet at a glance: who runs what, and of how many that can be said. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.views.share import Bar, bar

_MOST = 12
"""Versions that are told apart."""


@dataclass(frozen=True)
class Overview:
    """The fleet at a moment.

    Attributes:
        at: the moment, seconds since 1970.
        total: instances that ever reported and were not erased.
        presence: reporting, awaited, late, silent, left; of all.
        verified: verified and unverified; of all.
        versions: the most used, newest first, and the others together; of those that report.
        states: most first; of those that report.
        newest: tag of the newest version that runs anywhere, or that the association has named.
        on_newest: how many of those that report run it.
    """

    at: int
    total: int
    presence: tuple[Bar, ...]
    verified: tuple[Bar, ...]
    versions: tuple[Bar, ...]
    states: tuple[Bar, ...]
    newest: str | None
    on_newest: Bar | None

    @property
    def reporting(self) -> int:
        """Of how many the rest is said."""
        return self.presence[0].count


def overview(counts: Mapping[Census, int], at: int, published: str | None) -> Overview:
    """The fleet as it was counted.

    Args:
        counts: how many there are of each kind.
        at: when.
        published: the newest release that the association has named, or None. Without one it is the
            newest that a verified instance runs: anybody can enrol and say anything.
    """
    total = sum(counts.values())
    heard = {kind: n for kind, n in counts.items() if kind.presence is Presence.REPORTING}
    reporting = sum(heard.values())
    presence = sums(counts, lambda kind: kind.presence)
    known = sums(counts, lambda kind: "verified" if kind.verified else "unverified")
    versions = sums(heard, lambda kind: kind.installed)
    states = sums(heard, lambda kind: kind.state)
    newest = published or _newest({kind.installed for kind in heard if kind.verified})
    return Overview(
        at=at,
        total=total,
        presence=tuple(bar(each, presence[each], total) for each in Presence),
        verified=tuple(bar(name, known[name], total) for name in ("verified", "unverified")),
        versions=tuple(_versions(versions, reporting)),
        states=tuple(bar(state, count, reporting) for state, count in states.most_common()),
        newest=newest,
        on_newest=bar(newest, versions[newest], reporting) if newest else None,
    )


def _versions(versions: Counter[str], reporting: int) -> Iterator[Bar]:
    """Anybody can enrol and say anything: what few say must not push out what many do."""
    most = [tag for tag, _ in versions.most_common(_MOST)]
    for tag in sorted(most, key=newness, reverse=True):
        yield bar(tag, versions[tag], reporting)
    others = versions.total() - sum(versions[tag] for tag in most)
    if others:
        yield bar("others", others, reporting)


def sums(counts: Mapping[Census, int], part: Callable[[Census], str]) -> Counter[str]:
    """How many there are of each part of a kind."""
    found = Counter[str]()
    for kind, count in counts.items():
        found[part(kind)] += count
    return found


def newness(tag: str) -> tuple[bool, object]:
    """Orders tags by version; what is not known comes before all of them."""
    return (bool(tag), parse_tag(tag) if tag else 0)


def _newest(tags: Collection[str]) -> str | None:
    known = [tag for tag in tags if tag]
    return max(known, key=parse_tag) if known else None
