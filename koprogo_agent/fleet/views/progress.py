"""How a release gets to the fleet: how fast, how far, and where it fails. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.domain.outcomes import ARRIVED, FAILED, Tally
from koprogo_agent.fleet.domain.releases import Release
from koprogo_agent.fleet.views.share import Bar, at_least, bar

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_POINTS = 300
_LEAST_FAILED, _TOO_MANY = 3, 0.02
"""A hold is proposed where at least so many failed, and the true share is surely above this."""


@dataclass(frozen=True)
class Failure:
    """A kind of failure.

    Attributes:
        outcome: rolled_back or held.
        step: at which it failed.
        code: of the failure.
        count: instances that had it.
    """

    outcome: str
    step: str
    code: str
    count: int


@dataclass(frozen=True)
class Curve:
    """Which share of the fleet had a release, by time since it was published.

    Attributes:
        seconds: rising.
        shares: at each, from 0 to 1.
        fleet: of how many; those that are silent count as not yet.
        quantiles: p50, p90, p95, p99 -> seconds until that share had it; None: not yet.
    """

    seconds: tuple[int, ...]
    shares: tuple[float, ...]
    fleet: int
    quantiles: Mapping[str, int | None]


@dataclass(frozen=True)
class Progress:
    """A release.

    Attributes:
        tag: its name.
        published: when; where nobody has named it, when the first instance had it.
        named: whether the association has named it.
        security: whether it mends a weakness.
        arrived: instances that have installed it.
        failed: instances with which it failed at least once.
        failures: most first.
        curve: its patch latency.
        now: where the fleet stands with regard to it.
        risk: what its share of failures surely is at least.
        hold: whether a hold is proposed.
    """

    tag: str
    published: int | None
    named: bool
    security: bool
    arrived: int
    failed: int
    failures: tuple[Failure, ...]
    curve: Curve
    now: tuple[Bar, ...]
    risk: float
    hold: bool


def progress(
    tag: str,
    named: Release | None,
    counted: Mapping[Tally, int],
    fleet: int,
    now: Mapping[Census, int],
) -> Progress:
    """How a release fares.

    Args:
        tag: its name.
        named: what the association has said of it, or None.
        counted: its tallies.
        fleet: of how many instances the curve is.
        now: how many there are of each kind.
    """
    arrivals = Counter[int]()
    failures = Counter[tuple[str, str, str]]()
    for one, count in counted.items():
        if one.outcome == ARRIVED:
            arrivals[one.at] += count
        elif one.outcome in FAILED:
            failures[one.outcome, one.step, one.code] += count
    published = named.published if named else min(arrivals, default=None)
    arrived, failed = arrivals.total(), failures.total()
    risk = at_least(failed, arrived + failed)
    return Progress(
        tag=tag,
        published=published,
        named=named is not None,
        security=named is not None and named.security,
        arrived=arrived,
        failed=failed,
        failures=tuple(Failure(*kind, count) for kind, count in failures.most_common()),
        curve=_curve(arrivals, published or 0, max(fleet, arrived)),
        now=_stand(tag, now),
        risk=risk,
        hold=failed >= _LEAST_FAILED and risk > _TOO_MANY,
    )


def _curve(arrivals: Mapping[int, int], published: int, fleet: int) -> Curve:
    seconds, reached, so_far = [0], [0], 0
    for at in sorted(arrivals):
        so_far += arrivals[at]
        seconds.append(max(at - published, 0))
        reached.append(so_far)
    shares = [count / fleet if fleet else 0.0 for count in reached]
    quantiles = {
        name: next((s for s, share in zip(seconds, shares, strict=True) if share >= wanted), None)
        for name, wanted in _QUANTILES.items()
    }
    every = -(-len(seconds) // _POINTS)
    kept = [n for n in range(len(seconds)) if n % every == 0 or n == len(seconds) - 1]
    return Curve(
        seconds=tuple(seconds[n] for n in kept),
        shares=tuple(shares[n] for n in kept),
        fleet=fleet,
        quantiles=quantiles,
    )


def _stand(tag: str, now: Mapping[Census, int]) -> tuple[Bar, ...]:
    version, found = parse_tag(tag), Counter[str]()
    for kind, count in now.items():
        if kind.presence is not Presence.REPORTING:
            found[kind.presence] += count
        elif not kind.installed:
            found["unknown"] += count
        else:
            runs = parse_tag(kind.installed)
            found["on_it" if runs == version else "beyond" if runs > version else "below"] += count
    total = sum(now.values())
    names = ("on_it", "beyond", "below", "unknown", *(p for p in Presence if p != "reporting"))
    return tuple(bar(str(name), found[name], total) for name in names if found[name])
