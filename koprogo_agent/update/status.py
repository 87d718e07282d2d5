"""Where this instance stands, derived from the journal: one answer for all who ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from koprogo_agent.domain.choose import Waits
from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.states import Outcome
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.update.aftermath import read_postponed
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory, Quarantined, Refusal
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.standing import Drift, Held, HeldBy, Pending, Polls, Standing

_RECENT = 100
"""Operations in which the tag of a postponed release is looked for."""


class StateName(StrEnum):
    """The state of an instance in one word."""

    CURRENT = "current"
    UPDATING = "updating"
    ROLLED_BACK = "rolled_back"
    HELD = "held"
    STALE = "stale"
    PAUSED = "paused"
    EMPTY = "empty"


@dataclass(frozen=True)
class Last:
    """How the last operation ended."""

    kind: str
    tag: str
    outcome: str
    at: datetime
    step: str | None
    code: str | None
    message: str | None


@dataclass(frozen=True)
class Waiting:
    """A newer release that is not installed now.

    Attributes:
        gate: what it waits for, or is kept out by (`domain.choose.Waits`).
        until: when the agent tries again by itself, where that is known.
        step: where it failed here, if it did.
        code: why it failed here, if it did.
    """

    tag: str
    gate: str
    detail: str
    until: datetime | None = None
    step: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Status:
    """Everything that `status` shows.

    Attributes:
        candidate: the release that the last poll would have installed.
        waiting: the other newer releases, newest first.
        refusals: tags that a rule of trust keeps out, newest first.
        backup_failure: code of the failure for which there is no daily backup, or None.
    """

    state: StateName
    installed: str | None
    previous: str | None
    floor: str | None
    live: Operation | None
    last: Last | None
    candidate: str | None
    waiting: tuple[Waiting, ...]
    polls: Polls
    held: Held | None
    drift: Drift | None
    quarantined: tuple[Quarantined, ...]
    refusals: tuple[Refusal, ...]
    backup_failure: str | None

    @property
    def summary(self) -> str:
        """One line."""
        if self.live is not None:
            return f"{self.live.kind} of {self.live.tag}: {self.live.state.action}"
        if self.held is not None:
            return f"{self.state}: {self.held.reason}"
        return f"{self.state}: {self.installed or 'nothing is installed'}"


def read_status(journal: Journal, stale_after: float, now: datetime) -> Status:
    """Reads the status of an instance; `stale_after` in seconds."""
    standing, memory = Standing(journal), Memory(journal.store)
    installed, previous, floor = journal.installed, journal.previous, journal.floor
    live, held, polls = journal.live(), standing.held, standing.polls
    last = _last(journal)
    state = _state(live, held)
    if state is None and _is_stale(polls, stale_after, now):
        state = StateName.STALE
    return Status(
        state=state or _resting_state(last, installed),
        installed=installed.tag if installed else None,
        previous=previous.tag if previous else None,
        floor=floor.version if floor else None,
        live=live,
        last=last,
        candidate=next(iter(_newer([standing.pending.candidate], installed)), None),
        waiting=tuple(_waiting(journal, memory, standing.pending)),
        polls=polls,
        held=held,
        drift=standing.drift,
        quarantined=tuple(memory.quarantined().values()),
        refusals=tuple(_refused(memory, standing.pending, installed)),
        backup_failure=journal.get(str, "backup_failure"),
    )


def _newer(tags: Iterable[str | None], installed: Deployment | None) -> list[str]:
    """Those that are still newer than what runs: the last poll may have been before an update."""
    runs = installed.version if installed else None
    return [tag for tag in tags if tag and (runs is None or parse_tag(tag) > runs)]


def _refused(memory: Memory, pending: Pending, installed: Deployment | None) -> Iterator[Refusal]:
    """What is kept out now: not what was let in since, nor what is too old to matter."""
    let_in = {pending.candidate, *(tag for tag, _, _ in pending.reasons)}
    seen, told = memory.sightings(), set()
    for one in memory.refusals():
        moved = one.tag in seen and seen[one.tag].oid != one.oid
        newer = one.tag not in let_in and _newer([one.tag], installed)
        if (moved or newer) and one.tag not in told:
            told.add(one.tag)
            yield one


def _waiting(journal: Journal, memory: Memory, pending: Pending) -> Iterator[Waiting]:
    """The reasons of the last poll, with what is known of the failures behind them."""
    failed = {one.tag: one for one in memory.quarantined().values()}
    postponed = read_postponed(journal)
    tags = {past.operation.fingerprint: past.operation.tag for past in journal.past(_RECENT)}
    later = {tags.get(fingerprint): one for fingerprint, one in postponed.items()}
    newer = _newer([tag for tag, _, _ in pending.reasons], journal.installed)
    for tag, gate, detail in (one for one in pending.reasons if one[0] in newer):
        if gate == Waits.QUARANTINE and tag in failed:
            one = failed[tag]
            yield Waiting(tag, gate, one.message, step=one.step, code=one.code)
        elif gate == Waits.BACKOFF and tag in later:
            wait = later[tag]
            yield Waiting(tag, gate, wait.failure.message, wait.until, code=wait.failure.code)
        else:
            yield Waiting(tag, gate, detail)


def _state(live: Operation | None, held: Held | None) -> StateName | None:
    """The state while something is going on or nothing may; otherwise None."""
    if live is not None:
        return StateName.UPDATING
    if held is not None:
        return StateName.HELD if held.by is HeldBy.AGENT else StateName.PAUSED
    return None


def _resting_state(last: Last | None, installed: Deployment | None) -> StateName:
    if last is not None and last.outcome == Outcome.ROLLED_BACK:
        return StateName.ROLLED_BACK
    return StateName.CURRENT if installed else StateName.EMPTY


def _is_stale(polls: Polls, stale_after: float, now: datetime) -> bool:
    """Whether no poll has succeeded for too long."""
    since = polls.failing_since
    return since is not None and now - since >= timedelta(seconds=stale_after)


def _last(journal: Journal) -> Last | None:
    for past in journal.past(1):
        state = past.operation.state
        cause = state.cause
        return Last(
            kind=past.operation.kind,
            tag=past.operation.tag,
            outcome=past.outcome,
            at=past.ended,
            step=state.failed,
            code=cause.code if cause else None,
            message=cause.message if cause else None,
        )
    return None
