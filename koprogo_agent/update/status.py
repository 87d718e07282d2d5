"""Where this instance stands, derived from the journal: one answer for all who ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from koprogo_agent.domain.choose import Waits
from koprogo_agent.domain.condition import Condition
from koprogo_agent.domain.deployment import UNKNOWN, Deployment, can_go_back
from koprogo_agent.domain.states import Outcome
from koprogo_agent.settings import Settings
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory, Quarantined, Refusal
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.outlook import Outlook, Waiting
from koprogo_agent.update.restoring import RestoreRefused, read_refused
from koprogo_agent.update.standing import Drift, Held, HeldBy, Polls, Standing
from koprogo_agent.update.trust_stand import TrustStand, read_trust_stand
from koprogo_agent.wire.report import StateName


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
    advice: str | None


@dataclass(frozen=True)
class Status:
    """Everything that `status` shows.

    Attributes:
        goes_back: whether `previous` can run on the data that is there.
        candidate: the release that the last poll would have installed.
        waiting: the other newer releases, newest first.
        refusals: tags that a rule of trust keeps out, newest first.
        backup_failure: code of the failure for which there is no daily backup, or None.
        restore_refused: the last restore that was tried, if PostgreSQL refused it.
        condition: whether the stack is up or down; None before the agent has first looked.
        trust: how it stands with trust; None before the agent has first looked.
    """

    state: StateName
    installed: str | None
    previous: str | None
    goes_back: bool
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
    trust: TrustStand | None
    condition: Condition | None = None
    restore_refused: RestoreRefused | None = None

    @property
    def summary(self) -> str:
        """One line."""
        if self.down:
            return self.down
        if self.live is not None:
            return f"{self.live.kind} of {self.live.tag}: {self.live.state.action}"
        if self.held is not None:
            return f"{self.state}: {self.held.reason}"
        if self.state is StateName.STALE and self.trust and self.trust.stale:
            return f"{self.state}: {self.trust.stale}"
        more = self.refused_update or self.unknown
        said = f"; {more}" if more else ""
        return f"{self.state}: {self.installed or 'nothing is installed'}{said}"

    @property
    def down(self) -> str:
        """Since when the stack is down, and why; empty while it is up."""
        found = self.condition
        if found is None or not found.is_down:
            return ""
        since, looked = found.since.astimezone(), found.looked.astimezone()
        when = f"{since:%H:%M}" if since.date() == looked.date() else f"{since:%Y-%m-%d %H:%M}"
        cause = f"{self.drift.cause}: " if self.drift and self.drift.cause else ""
        printed = f"; it last printed: {found.printed}" if found.printed else ""
        return f"DOWN since {when}: {cause}{found.reason}{printed}"

    @property
    def started_by_hand(self) -> str:
        """That an older release was started by hand, while the stack is up; else empty."""
        return self.drift.cause if self.drift and not self.down else ""

    @property
    def unknown(self) -> str:
        """That it is not known whether what runs is up to date; empty where its release is known.

        It was adopted, and no release that is accepted here could be compared with it.
        """
        if self.installed != UNKNOWN or self.candidate is not None or self.waiting:
            return ""
        return "what runs was adopted and is no known release; none is accepted here yet"

    @property
    def refused_update(self) -> str:
        """That the newest release is refused here, and why; empty where another one is next."""
        if self.candidate is not None:
            return ""
        for one in self.waiting[:1]:
            if one.gate == Waits.QUARANTINE:
                step = f" at step {one.step}" if one.step else ""
                return f"an update exists and is refused: {one.tag} failed here{step}: {one.detail}"
            return ""
        for refusal in self.refusals[:1]:
            why = f"{refusal.message} ({refusal.code})"
            if self.unknown:
                return f"{self.unknown}: {refusal.tag}: {why}"
            return f"an update exists and is refused: {refusal.tag}: {why}"
        return ""


def read_status(journal: Journal, settings: Settings, now: datetime) -> Status:
    """Reads the status of an instance."""
    standing, memory = Standing(journal), Memory(journal.store)
    installed, previous, floor = journal.installed, journal.previous, journal.floor
    live, held, polls = journal.live(), standing.held, standing.polls
    last, outlook = _last(journal), Outlook(journal, now)
    trust, state = read_trust_stand(journal, settings, now), _state(live, held)
    stale = _is_stale(polls, settings.policy.poll_stale_after, now) or (trust and trust.stale)
    if state is None and stale:
        state = StateName.STALE
    return Status(
        state=state or _resting_state(last, installed),
        installed=installed.tag if installed else None,
        previous=previous.tag if previous else None,
        goes_back=bool(installed and previous and can_go_back(previous, installed)),
        floor=floor.version if floor else None,
        live=live,
        last=last,
        candidate=outlook.candidate,
        waiting=tuple(outlook.waiting()),
        polls=polls,
        held=held,
        drift=standing.drift,
        quarantined=tuple(memory.quarantined().values()),
        refusals=tuple(outlook.refused()),
        backup_failure=journal.get(str, "backup_failure"),
        trust=trust,
        condition=standing.condition if installed else None,
        restore_refused=read_refused(journal),
    )


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
            advice=cause.advice if cause else None,
        )
    return None
