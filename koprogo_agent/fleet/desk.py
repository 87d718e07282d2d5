"""Gathers what a view is made of: what is known now, and what the database keeps.

Each of these takes a few milliseconds to a few tens of them, and is called in a thread of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from time import time

from sqlalchemy import Engine

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import Refused
from koprogo_agent.fleet.domain.census import Census, Who
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.domain.outcomes import Tally
from koprogo_agent.fleet.metrics import Metrics
from koprogo_agent.fleet.selfcheck import SelfCheck
from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.fleet.sharing import Sharing
from koprogo_agent.fleet.store.history import History
from koprogo_agent.fleet.store.instances import Store
from koprogo_agent.fleet.store.outcomes import Outcomes
from koprogo_agent.fleet.views.adoption import Adoption, Exposure, adoption, exposure, installed_now
from koprogo_agent.fleet.views.attention import Arriving, Attention, clusters, failing, ingest
from koprogo_agent.fleet.views.listing import Filter, Listing, listing
from koprogo_agent.fleet.views.overview import Overview, newness, overview
from koprogo_agent.fleet.views.progress import Progress, progress
from koprogo_agent.fleet.views.public import Public, public
from koprogo_agent.fleet.views.story import Story

UNKNOWN_INSTANCE = "instance.unknown"
_DAY = 86_400
_TOLD = 100
"""Transitions on a page of an instance."""
_RECENT = 30 * _DAY
"""For how long a release may still need attention."""
_SETTLED = 7 * _DAY
"""After which the fleet is counted of which a release's share is said."""
_SHOWN, _MANY = 12, 10
"""Releases in the list of them; instances that make one of what nobody has named."""


@dataclass(frozen=True)
class Sources:
    """Where it all comes from."""

    settings: FleetSettings
    engine: Engine
    sharing: Sharing
    metrics: Metrics
    selfcheck: SelfCheck


class Desk:
    """Answers what staff ask of the fleet; changes nothing."""

    def __init__(self, sources: Sources) -> None:
        self._settings = sources.settings
        self._sharing = sources.sharing
        self._metrics = sources.metrics
        self._selfcheck = sources.selfcheck
        self._store = Store(sources.engine)
        self._history = History(sources.engine)
        self._outcomes = Outcomes(sources.engine)

    @property
    def revision(self) -> int:
        """Rises with whatever changes what is counted now."""
        return self._sharing.known.revision

    def fleet(self, who: Who) -> Overview:
        """The fleet now: all of it, or the verified, or the others."""
        newest = self._sharing.releases.newest
        return overview(self._counts(who), int(time()), newest)

    def then(self, at: int) -> Overview:
        """The fleet as it was at a moment, measured against what was newest then."""
        published = [one for one in self._sharing.releases.named if one.published <= at]
        return overview(self._history.then(at), at, published[0].tag if published else None)

    def was_outage(self, at: int) -> bool:
        """Whether no server listened at a moment."""
        return any(one.began < at <= one.ended for one in self._sharing.outages.since(at))

    def adoption(self, days: int, who: Who) -> tuple[Adoption, Exposure]:
        """Versions over so many days, and the time that what is not safe was run."""
        now = int(time())
        since = now - days * _DAY
        counted = self._history.installed(since - since % 3600, who)
        counted += installed_now(self._counts(who), now)
        return adoption(counted), exposure(counted, self._sharing.releases.named, days)

    def release(self, tag: str) -> Progress:
        """How a release fares.

        Raises:
            Refused: that is no name of a release (code `version.grammar`).
        """
        parse_tag(tag)
        return self._progress(tag, self._outcomes.of(tag)[tag])

    def newest(self) -> Progress | None:
        """How the release fares that was named last, or None."""
        tag = self._sharing.releases.newest
        return self.release(tag) if tag else None

    def releases(self) -> list[Progress]:
        """Those that matter, newest first."""
        return [self._progress(tag, ends) for tag, ends in self._outcomes.of(*self._tags()).items()]

    def instances(self, wanted: Filter, sort: str, after: str) -> Listing:
        """A page of instances."""
        return listing(self._sharing.known, wanted, sort, after)

    def instance(self, name: str, before: int | None = None) -> Story:
        """One instance.

        Raises:
            Refused: nothing is known of it (code `instance.unknown`).
        """
        row = self._sharing.known.row(name)
        if row is None:
            raise Refused("nothing is known of this instance", code=UNKNOWN_INSTANCE)
        told = self._store.transitions(name, _TOLD + 1, before)
        return Story(
            at=int(time()),
            instance=row.instance,
            state=row.kind.state,
            told=tuple(told[:_TOLD]),
            before=told[_TOLD - 1].number if len(told) > _TOLD else None,
        )

    def attention(self) -> Attention:
        """What needs a person."""
        now, counts, known = int(time()), self._counts(Who.ALL), self._sharing.known
        recent = {tag: dict[Tally, int]() for tag in self._tags()}
        for one, count in self._outcomes.since(now - _RECENT).items():
            if one.tag in recent:
                recent[one.tag][one] = count
        arriving = Arriving(
            interval=self._settings.interval,
            last=known.last_heard(),
            fault=self._selfcheck.fault,
            rejects=self._metrics.rejects(),
        )
        return Attention(
            at=now,
            ingest=ingest(counts, arriving, now),
            arriving=arriving,
            outages=tuple(self._sharing.outages.since(now - _SETTLED)),
            down=listing(known, Filter(state="down"), "since"),
            held=listing(known, Filter(state="held"), "since"),
            stale=listing(known, Filter(state="stale"), "since"),
            cloned=listing(known, Filter(cloned="yes")),
            failing=tuple(failing(self._progress(tag, recent[tag]) for tag in recent)),
            clusters=clusters(counts),
        )

    def public(self) -> Public:
        """What everybody may see."""
        return public(self._counts(Who.ALL), int(time()), self._sharing.releases.newest)

    def _progress(self, tag: str, counted: dict[Tally, int]) -> Progress:
        named, counts = self._sharing.releases.get(tag), self._counts(Who.ALL)
        fleet = _present(counts)
        if named and named.published + _SETTLED < time():
            fleet = _present(self._history.then(named.published + _SETTLED)) or fleet
        return progress(tag, named, counted, fleet, counts)

    def _tags(self) -> list[str]:
        """Releases that the association has named, or verified instances have, or many others."""
        tags = {one.tag for one in self._sharing.releases.named}
        everybody = Counter[str]()
        for kind, count in self._counts(Who.ALL).items():
            everybody[kind.installed] += count * (_MANY if kind.verified else 1)
        tags |= {tag for tag, count in everybody.items() if tag and count >= _MANY}
        return sorted(tags, key=newness, reverse=True)[:_SHOWN]

    def _counts(self, who: Who) -> dict[Census, int]:
        return {kind: n for kind, n in self._sharing.known.counts().items() if who.takes(kind)}


def _present(counts: dict[Census, int]) -> int:
    """The fleet without those who left."""
    return sum(n for kind, n in counts.items() if kind.presence is not Presence.LEFT)
