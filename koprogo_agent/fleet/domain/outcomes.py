"""What came of releases, as instances tell of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from koprogo_agent.fleet.domain.instances import Instance, Taken
from koprogo_agent.fleet.domain.releases import is_above

ARRIVED = "installed"
"""An instance had the release for the first time."""
FAILED = ("rolled_back", "held")
_COMMITTED = "committed"
_KINDS = frozenset({"install", "update"})
_WITHIN = 10
"""Seconds that are counted as one moment."""


class Tally(NamedTuple):
    """A kind of end.

    Attributes:
        tag: the release.
        outcome: `ARRIVED`, or that of an operation that `FAILED`.
        at: when, to ten seconds.
        step: at which it failed, or an empty string.
        code: of the failure, or an empty string.
        verified: whether the association knows the instance.
    """

    tag: str
    outcome: str
    at: int
    step: str
    code: str
    verified: bool


class End(NamedTuple):
    """An end to which an instance came with a release.

    Attributes:
        instance: its name.
        tally: what is counted.
        at: when.
    """

    instance: str
    tally: Tally
    at: int

    @property
    def key(self) -> tuple[str, str, str]:
        """Of these, only the first one counts."""
        return (self.instance, self.tally.tag, self.tally.outcome)


def ends_of(taken: Taken) -> Iterator[End]:
    """The ends that a report tells of."""
    one, so_far = taken.instance, taken.before
    for told in reversed(taken.transitions):
        if told.installed and is_above(told.installed, so_far) and taken.was_known:
            # From now on its users run it; the operation ends only when it was watched for a while.
            yield _end(one, told.installed, ARRIVED, told.at)
        so_far = told.installed or so_far
        did = told.operation
        if did is None or did.tag is None or did.kind not in _KINDS:
            continue
        if did.outcome in FAILED:
            yield _end(one, did.tag, did.outcome, did.ended, did.step, did.code)
        elif did.outcome == _COMMITTED and did.tag == told.installed:
            yield _end(one, did.tag, ARRIVED, did.ended)


def _end(
    one: Instance,
    tag: str,
    outcome: str,
    ended: int,
    step: str | None = None,
    code: str | None = None,
) -> End:
    """A clock that is ahead must not make the past of the future: it was told by then."""
    at = min(ended, one.seen)
    tally = Tally(tag, outcome, at - at % _WITHIN, step or "", code or "", one.verified)
    return End(one.id, tally, at)
