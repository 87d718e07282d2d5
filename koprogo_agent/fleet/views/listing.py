"""Lists of instances: which ones, in which order, and from where on. Pure."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields

from koprogo_agent.errors import Refused
from koprogo_agent.fleet.asking import ORDERS, STATES
from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import Instance
from koprogo_agent.fleet.domain.known import Known, Row

PAGE = 50
_NAME, _SINCE = ORDERS
_VALUE = re.compile(r"[A-Za-z0-9._-]{0,130}")
"""As long as the longest name of a release."""
CHOICES = {
    "state": frozenset(STATES),
    "known": frozenset({"verified", "unverified"}),
    "cloned": frozenset({"yes", "no"}),
}
"""What alone can be asked of some members of a filter."""
_CURSOR = re.compile(r"(?:[0-9]{1,16}\.)?[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which instances; what is None does not matter.

    Attributes:
        state: as it is counted: the one reported, or how absent it is.
        installed: tag; `-` where it is not known.
        known: `verified` or `unverified`.
        channel: whose releases it follows.
        agent: version of the agent.
        tag: of the last operation.
        step: at which the last operation failed.
        code: with which it did.
        gate: what the newest release waits for.
        cloned: `yes`: a second machine with its key was seen.
    """

    state: str | None = None
    installed: str | None = None
    known: str | None = None
    channel: str | None = None
    agent: str | None = None
    tag: str | None = None
    step: str | None = None
    code: str | None = None
    gate: str | None = None
    cloned: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """What an address asks for.

        Raises:
            Refused: a value can be none of these (code `filter.value`).
        """
        asked = {each.name: query[each.name] for each in fields(cls) if query.get(each.name)}
        for name, value in asked.items():
            if not _VALUE.fullmatch(value) or value not in CHOICES.get(name, {value}):
                raise Refused(f"{name} cannot be {value[:40]!r}", code="filter.value")
        return cls(**asked)

    @property
    def asked(self) -> dict[str, str]:
        """What matters, as an address has it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def takes_kind(self, kind: Census) -> bool:
        """Whether instances of this kind may be among them."""
        return (
            self.state in {None, kind.state}
            and self.installed in {None, kind.installed or "-"}
            and self.known in {None, "verified" if kind.verified else "unverified"}
        )

    def taken(self, found: Iterable[Instance]) -> list[Instance]:
        """Those of such kinds that are wanted."""
        taken = list(found)
        for name, value in self.asked.items():
            if told := _TOLD.get(name):
                taken = [one for one in taken if told(one) == value]
        return taken


def _of_operation(member: str) -> Callable[[Instance], str | None]:
    return lambda one: getattr(one.stand.operation, member, None)


_TOLD: Mapping[str, Callable[[Instance], str | None]] = {
    "channel": lambda one: one.stand.channel,
    "agent": lambda one: one.stand.agent,
    "tag": _of_operation("tag"),
    "step": _of_operation("step"),
    "code": _of_operation("code"),
    "gate": lambda one: one.stand.pending.gate if one.stand.pending else None,
    "cloned": lambda one: "yes" if one.cloned else "no",
}
"""What of an instance is not part of its kind."""


@dataclass(frozen=True)
class Listed:
    """An instance in a list.

    Attributes:
        instance: as it is known.
        state: as it is counted: the one reported, or how absent it is.
    """

    instance: Instance
    state: str


@dataclass(frozen=True)
class Listing:
    """A page of a list.

    Attributes:
        rows: in order.
        matching: how many there are on all pages.
        next: cursor of the next page, or None.
    """

    rows: tuple[Listed, ...]
    matching: int
    next: str | None


def listing(known: Known, wanted: Filter, sort: str = _NAME, after: str = "") -> Listing:
    """A page of those that are wanted: by name, or by since when they have their state.

    It takes the same time wherever the page is: all that match are looked at, none is sorted.

    Raises:
        Refused: `sort` or `after` is none (code `filter.value`).
    """
    if sort not in ORDERS or (after and not _CURSOR.fullmatch(after)):
        raise Refused("there is no such order, or no such page", code="filter.value")
    found = wanted.taken(row.instance for row in _candidates(known, wanted))
    behind = _cursor(after) if after else (-1, "")
    keyed = ((one.since if sort == _SINCE else 0, one.id) for one in found)
    page = heapq.nsmallest(PAGE + 1, (one for one in keyed if one > behind))
    follows = page[PAGE - 1] if len(page) > PAGE else None
    rows = filter(None, (known.row(name) for _, name in page[:PAGE]))
    return Listing(
        rows=tuple(Listed(row.instance, row.kind.state) for row in rows),
        matching=len(found),
        next=f"{follows[0]}.{follows[1]}" if follows else None,
    )


def _candidates(known: Known, wanted: Filter) -> Iterable[Row]:
    if wanted.cloned == "yes":  # very few, if any
        rows = filter(None, map(known.row, list(known.cloned)))
        return [row for row in rows if wanted.takes_kind(row.kind)]
    return known.some(wanted.takes_kind)


def _cursor(after: str) -> tuple[int, str]:
    key, _, name = after.rpartition(".")
    return (int(key or 0), name)
