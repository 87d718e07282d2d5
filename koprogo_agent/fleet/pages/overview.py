"""The fleet at a glance: who runs what, and of how many that can be said. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.fleet.census import Census
from koprogo_agent.fleet.instances import Presence


@dataclass(frozen=True)
class Bar:
    """A kind, how many there are of it, and which share of all that is.

    Attributes:
        name: a tag, or a key of the words; empty where the version is not known.
        count: how many.
        share: from 0 to 1.
    """

    name: str
    count: int
    share: float

    @property
    def percent(self) -> str:
        """The share, as people read it; what is there is never said to be nothing, nor all."""
        if self.share in {0.0, 1.0}:
            return f"{self.share:.0%}"
        return f"{min(max(self.share * 100, 0.1), 99.9):.1f} %"


@dataclass(frozen=True)
class Overview:
    """What the page shows.

    Attributes:
        at: the moment, seconds since 1970.
        total: instances that ever reported and were not erased.
        presence: reporting, late, silent; of all.
        verified: verified and unverified; of all.
        versions: newest first; of those that report.
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
    presence = _sums(counts, lambda kind: kind.presence)
    known = _sums(counts, lambda kind: "verified" if kind.verified else "unverified")
    versions = _sums(heard, lambda kind: kind.installed)
    states = _sums(heard, lambda kind: kind.state)
    newest = published or _newest({kind.installed for kind in heard if kind.verified})
    return Overview(
        at=at,
        total=total,
        presence=tuple(_bar(each, presence[each], total) for each in Presence),
        verified=tuple(_bar(name, known[name], total) for name in ("verified", "unverified")),
        versions=tuple(
            _bar(tag, versions[tag], reporting)
            for tag in sorted(versions, key=_order, reverse=True)
        ),
        states=tuple(_bar(state, count, reporting) for state, count in states.most_common()),
        newest=newest,
        on_newest=_bar(newest, versions[newest], reporting) if newest else None,
    )


def _sums(counts: Mapping[Census, int], part: Callable[[Census], str]) -> Counter[str]:
    found = Counter[str]()
    for kind, count in counts.items():
        found[part(kind)] += count
    return found


def _bar(name: str, count: int, total: int) -> Bar:
    return Bar(str(name), count, count / total if total else 0.0)


def _newest(tags: Collection[str]) -> str | None:
    known = [tag for tag in tags if tag]
    return max(known, key=parse_tag) if known else None


def _order(tag: str) -> tuple[bool, object]:
    return (bool(tag), parse_tag(tag) if tag else 0)
