"""What everybody may see: totals in which nobody can be told apart. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.views.overview import newness, overview, sums
from koprogo_agent.fleet.views.share import Bar, bar

SMALLEST = 10
"""A number below this is not shown, nor can it be had by taking others from a total."""


@dataclass(frozen=True)
class Public:
    """What the public page shows.

    Attributes:
        at: the moment, to the minute.
        reporting: instances that report, rounded down to tens.
        newest: tag of the newest release, or None.
        share: of those that report, how many run it, to a hundredth; None where there are too few.
        versions: those that enough instances run, newest first, in tens.
    """

    at: int
    reporting: int
    newest: str | None
    share: float | None
    versions: tuple[Bar, ...]


def public(counts: Mapping[Census, int], at: int, published: str | None) -> Public:
    """Totals, in tens: whoever asks again after one instance has moved learns nothing of it."""
    heard = {kind: n for kind, n in counts.items() if kind.presence is Presence.REPORTING}
    seen = overview(heard, at, published)
    versions = sums(heard, lambda kind: kind.installed)
    reporting = _tens(seen.reporting)
    on_newest = versions[seen.newest] if seen.newest else 0
    # Of a few that are left out, their number would follow from the share of the others.
    few = {on_newest, seen.reporting - on_newest}
    tells = reporting >= SMALLEST and not any(0 < count < SMALLEST for count in few)
    return Public(
        at=at - at % 60,
        reporting=reporting,
        newest=seen.newest,
        share=round(_tens(on_newest) / reporting, 2) if tells and seen.newest else None,
        versions=tuple(
            bar(tag, _tens(count), reporting)
            for tag, count in sorted(versions.items(), key=_by_newness, reverse=True)
            if count >= SMALLEST and tag
        ),
    )


def _tens(count: int) -> int:
    return count - count % SMALLEST


def _by_newness(item: tuple[str, int]) -> tuple[bool, object]:
    return newness(item[0])
