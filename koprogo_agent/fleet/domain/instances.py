"""An instance as the server knows it, and what a report makes of it. Pure.

What there is 100,000 times is kept from the garbage collector (`gc=False`): it can be part of no
cycle, and a look at all of it would hold every answer up for half a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from koprogo_agent.wire.answer import BEHIND, Rejection
from koprogo_agent.wire.report import Operation, Pending, Report, StateName, Transition

CLONED = "instance.cloned"
"""Code of the rejection of a second machine with the same key."""
_FORMER = 4
"""Runs before the present one that are remembered: one that comes back is another machine's."""


_MISSED = 3
"""Reports that may be missing before an instance is late."""
_HOUR, _DAY = 3600, 86_400
_LEFT = 30 * _DAY
_FORGOTTEN = 365 * _DAY
_STRANGER, _STRANGER_LEFT = _DAY, 2 * _DAY
_GRACE = 5400
"""Seconds within which everybody comes back who could not reach the server: the longest pause of an
agent after failures, by chance half as long again."""


class Presence(StrEnum):
    """Whether an instance still reports.

    Awaited is who reported until no server listened, and may not have noticed yet that one does.
    """

    REPORTING = "reporting"
    AWAITED = "awaited"
    LATE = "late"
    SILENT = "silent"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which no server listened, from one moment to another."""

    began: int
    ended: int


class Stand(Struct, frozen=True, gc=False):
    """What an instance says of itself, and what is written down when it changes.

    Attributes:
        state: as reported; `down` where the stack is down, whatever else is said.
        fault: why the stack is down, as a word, or None.
    """

    agent: str
    channel: str
    state: StateName
    installed: str | None
    digest: str | None
    operation: Operation | None
    pending: Pending | None
    fault: str | None = None

    @classmethod
    def of(cls, report: Report) -> Stand:
        """The stand that a report tells of."""
        return cls(
            agent=report.agent,
            channel=report.channel,
            state=state_of(report),
            installed=report.installed,
            digest=report.digest,
            operation=report.operation,
            pending=report.pending,
            fault=report.fault if report.down is not None else None,
        )


def state_of(told: Report | Transition) -> StateName:
    """The state that counts: a stack that is down is down, whatever its agent is doing."""
    return StateName.DOWN if told.down is not None else told.state


class Instance(Struct, frozen=True, gc=False):
    """An instance.

    Attributes:
        id: its random name.
        enrolled: when its first report came.
        verified: whether it has had a token of the association.
        seen: when its last report came.
        sequence: of that report.
        run: of that report.
        former: the runs before, newest first.
        cloned: when a second machine with its key was last seen, or None; a day later that is over.
        since: since when it has its state.
        stand: what it says of itself.
        polled: when its source last answered, or None.
        kept: when it was last written down.
    """

    id: str
    enrolled: int
    verified: bool
    seen: int
    sequence: int
    run: str
    former: tuple[str, ...]
    cloned: int | None
    since: int
    stand: Stand
    polled: int | None
    kept: int

    def presence(self, now: int, interval: int, outage: Outage | None = None) -> Presence:
        """Whether it still reports, where the server's last outage is known."""
        quiet, patience = now - self.seen, _MISSED * interval
        if quiet <= patience:
            return Presence.REPORTING
        if (
            outage is not None
            and now - outage.ended <= _GRACE
            and self.seen < outage.ended
            and outage.began - self.seen <= patience
        ):
            return Presence.AWAITED
        if quiet < _DAY:
            return Presence.LATE
        return Presence.SILENT if quiet < _LEFT else Presence.LEFT

    def is_bygone(self, now: int) -> bool:
        """Whether nothing is to be known of it any more: a year after its last report.

        Anybody can enrol, so one that nobody knows must stay for a day to be kept for so long.
        """
        quiet, stayed = now - self.seen, self.seen - self.enrolled
        stranger = not self.verified and stayed < _STRANGER
        return quiet > (_STRANGER_LEFT if stranger else _FORGOTTEN)


class Taken(Struct, frozen=True, gc=False):
    """What a report has brought.

    Attributes:
        instance: as it is known from then on.
        transitions: what is to be kept; some of it may be kept already.
        is_news: whether there is anything that has to be written down.
        was_known: whether it is not its first report.
        before: tag of what it had installed by its report before, or None.
    """

    instance: Instance
    transitions: tuple[Transition, ...]
    is_news: bool
    was_known: bool
    before: str | None


def first(report: Report, now: int) -> Taken:
    """The first report of an instance."""
    made = Instance(
        id=report.instance,
        enrolled=now,
        verified=False,
        seen=now,
        sequence=report.sequence,
        run=report.run,
        former=(),
        cloned=None,
        since=now,
        stand=Stand.of(report),
        polled=report.polled,
        kept=now,
    )
    return Taken(made, report.transitions, is_news=True, was_known=False, before=None)


def rejected(known: Instance, report: Report) -> Rejection | None:
    """Why a further report is not taken: another machine has the same key, or it is an old one."""
    if report.run in known.former:
        return Rejection(
            code=CLONED,
            message="two machines report with one key; on the copy, stop the agent, remove the file"
            " identity from its state folder, and start it again",
        )
    if report.sequence <= known.sequence:
        return Rejection(
            code=BEHIND,
            message=f"a report with the number {known.sequence} was taken already",
            sequence=known.sequence,
        )
    return None


def next_(known: Instance, report: Report, now: int) -> Taken:
    """A further report, which is not `rejected`.

    One without news is written down once an hour, so that a restart does not take anybody for lost.
    """
    said = Stand.of(report)
    stand = known.stand if said == known.stand else said
    begins_run = report.run != known.run
    is_due = now - known.kept >= _HOUR
    is_news = is_due or begins_run or stand is not known.stand or bool(report.transitions)
    made = replace(
        known,
        seen=now,
        sequence=report.sequence,
        run=report.run,
        former=(known.run, *known.former)[:_FORMER] if begins_run else known.former,
        since=known.since if stand.state is known.stand.state else now,
        stand=stand,
        polled=report.polled,
        cloned=known.cloned if now - (known.cloned or 0) < _DAY else None,
        kept=now if is_news else known.kept,
    )
    return Taken(made, report.transitions, is_news, was_known=True, before=known.stand.installed)
