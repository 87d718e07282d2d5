"""What needs a person now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import Outage, Presence
from koprogo_agent.fleet.views.listing import Listing
from koprogo_agent.fleet.views.overview import newness
from koprogo_agent.fleet.views.progress import Progress
from koprogo_agent.fleet.views.share import at_least

_MISSING = 20
"""Reports that should have come and did not: then it is no chance."""
_SMALLEST, _TIMES, _SHARE = 5, 2.0, 0.05
"""A cluster is worth a word from so many instances on, where they are absent so many times as often
as all are, and more often than this share."""


class Ingest(StrEnum):
    """How it stands with what comes in."""

    FINE = "ingest_fine"
    DOWN = "ingest_down"
    """Nothing comes, and from here our own address cannot be reached either."""
    QUIET = "ingest_quiet"
    """Nothing comes, although our own address answers: the fleet is silent, or what is between."""
    UNREACHABLE = "ingest_unreachable"
    """Reports come, but from here our own address cannot be reached."""


@dataclass(frozen=True)
class Arriving:
    """What is known of the way in.

    Attributes:
        interval: seconds from one report to the next.
        last: when the last report of anybody came, or None.
        fault: why our own public address does not answer, or an empty string.
        rejects: reports that were refused since this server began, by code.
    """

    interval: int
    last: int | None
    fault: str
    rejects: Mapping[str, int]


@dataclass(frozen=True)
class Cluster:
    """Instances that are absent more often than others.

    Attributes:
        installed: the version that they last reported.
        absent: how many are late or silent.
        total: how many have it.
        share: from 0 to 1.
    """

    installed: str
    absent: int
    total: int
    share: float


@dataclass(frozen=True)
class Attention:
    """What the page shows.

    Attributes:
        at: the moment.
        ingest: how it stands with what comes in.
        arriving: what that is taken from.
        outages: when no server listened, of the last week.
        down: instances whose stack is down.
        held: instances that need somebody.
        stale: instances that see nothing fresh.
        cloned: instances of whose key there is a second machine.
        failing: releases of which a hold is proposed.
        clusters: the most absent first.
    """

    at: int
    ingest: Ingest
    arriving: Arriving
    outages: tuple[Outage, ...]
    down: Listing
    held: Listing
    stale: Listing
    cloned: Listing
    failing: tuple[Progress, ...]
    clusters: tuple[Cluster, ...]

    @property
    def calm(self) -> bool:
        """Whether nothing needs anybody."""
        found = (self.down, self.held, self.stale, self.cloned)
        lists = (one.matching for one in found)
        others = (self.failing, self.clusters)
        return self.ingest is Ingest.FINE and not any(lists) and not any(others)


def ingest(counts: Mapping[Census, int], arriving: Arriving, now: int) -> Ingest:
    """Tells our own fault from that of the fleet."""
    active = sum(n for kind, n in counts.items() if kind.presence in _ACTIVE)
    quiet = now - arriving.last if arriving.last is not None else 0
    is_quiet = quiet * active / arriving.interval >= _MISSING and quiet > arriving.interval
    if is_quiet:
        return Ingest.DOWN if arriving.fault else Ingest.QUIET
    return Ingest.UNREACHABLE if arriving.fault else Ingest.FINE


def clusters(counts: Mapping[Census, int]) -> tuple[Cluster, ...]:
    """Versions whose instances went silent much more often than the rest of the fleet."""
    absent, total = Counter[str](), Counter[str]()
    for kind, count in counts.items():
        if kind.presence in _COUNTED:
            total[kind.installed] += count
            if kind.presence in _ABSENT:
                absent[kind.installed] += count
    found = []
    for tag, missing in absent.items():
        rest = total.total() - total[tag]
        usual = (absent.total() - missing) / rest if rest else 0.0
        surely = at_least(missing, total[tag])
        if missing >= _SMALLEST and surely > max(_TIMES * usual, _SHARE):
            found.append(Cluster(tag, missing, total[tag], missing / total[tag]))
    return tuple(sorted(found, key=lambda one: (-one.share, newness(one.installed))))


def failing(releases: Iterable[Progress]) -> Sequence[Progress]:
    """Those of which a hold is proposed, the surest first."""
    return sorted((one for one in releases if one.hold), key=lambda one: -one.risk)


_ACTIVE = frozenset({Presence.REPORTING, Presence.LATE})
_ABSENT = frozenset({Presence.LATE, Presence.SILENT})
_COUNTED = _ABSENT | {Presence.REPORTING}
