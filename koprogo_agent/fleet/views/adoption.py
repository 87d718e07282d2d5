"""How versions came and went: shares of those that reported, over time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from koprogo_agent.fleet.domain.census import Census, Installed
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.domain.releases import Release, floor, is_below
from koprogo_agent.fleet.views.overview import newness

_POINTS = 200
_MOST = 7
"""Versions that are told apart; the others are drawn together."""


@dataclass(frozen=True)
class Adoption:
    """What a chart draws, and its table holds.

    Attributes:
        moments: in rising order.
        names: tags, newest first; `others` last, where there are others.
        shares: of each name, at each moment, from 0 to 1, of those that reported.
        reporting: how many that were, at each moment.
    """

    moments: tuple[int, ...]
    names: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    reporting: tuple[int, ...]


@dataclass(frozen=True)
class Exposure:
    """Time that instances ran what is not safe.

    Attributes:
        days: for how many days it is counted.
        reporting: hours of instances that reported.
        absent: of those that did not, by what they last reported.
    """

    days: int
    reporting: int
    absent: int


def installed_now(counts: Mapping[Census, int], now: int) -> list[Installed]:
    """The present as one more moment, which has not lasted yet."""
    reporting, absent = Counter[str](), Counter[str]()
    for kind, count in counts.items():
        reports = kind.presence is Presence.REPORTING
        (reporting if reports else absent)[kind.installed] += count
    tags = sorted(reporting | absent)
    return [Installed(now, tag, 0, reporting[tag], absent[tag]) for tag in tags]


def adoption(counted: Sequence[Installed]) -> Adoption:
    """Shares over time, of the versions that were most among them."""
    total, of_tag = Counter[int](), Counter[str]()
    for one in counted:
        total[one.at] += one.reporting
        of_tag[one.installed] += one.reporting * max(one.hours, 1)
    moments = _thinned(sorted(total))
    shown = sorted((tag for tag, _ in of_tag.most_common(_MOST)), key=newness, reverse=True)
    names = (*shown, "others") if len(of_tag) > len(shown) else tuple(shown)
    counts = Counter[tuple[str, int]]()
    for one in counted:
        name = one.installed if one.installed in shown else "others"
        counts[name, one.at] += one.reporting
    return Adoption(
        moments=tuple(moments),
        names=names,
        shares=tuple(
            tuple(counts[name, at] / total[at] if total[at] else 0.0 for at in moments)
            for name in names
        ),
        reporting=tuple(total[at] for at in moments),
    )


def _thinned(moments: list[int]) -> list[int]:
    """Every second one, every third, …: as many as a chart can show; the last one is among them."""
    every = -(-len(moments) // _POINTS) or 1
    return moments[::-1][::every][::-1]


def exposure(counted: Iterable[Installed], releases: Sequence[Release], days: int) -> Exposure:
    """Instance-hours below the security floor of each moment."""
    reporting = absent = 0
    floors: dict[int, str | None] = {}
    for one in counted:
        lowest = floors.setdefault(one.at, floor(releases, one.at))
        if is_below(one.installed, lowest):
            reporting += one.reporting * one.hours
            absent += one.absent * one.hours
    return Exposure(days, reporting, absent)
