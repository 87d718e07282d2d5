"""What the end of an operation means: quarantine, waiting, HELD, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from koprogo_agent.domain.host import MACHINE_FAULTS, MAY_BE_ITS_OWN
from koprogo_agent.domain.machine import INTERRUPTED, discards_data, reopened
from koprogo_agent.domain.plan import Kind, Step
from koprogo_agent.domain.states import Course, Outcome
from koprogo_agent.errors import AgentError, Failure
from koprogo_agent.ports import BUSY, NO_CONNECTION, DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.holding import let_through
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.operator_files import CHANGED, OPERATORS
from koprogo_agent.update.runner import BUG, Ran
from koprogo_agent.update.standing import Held, HeldBy, Standing
from koprogo_agent.update.world import World

log = structlog.get_logger()

_FIRST_WAIT = timedelta(minutes=2)
_LONGEST_WAIT = timedelta(hours=1)
_LONGEST_ASKED = timedelta(days=1)
"""A registry that wants us to come back in ten years is not taken at its word."""
_MOST_TRANSIENT_ROLLBACKS = 2
_NEVER_THE_RELEASE = OPERATORS | {CHANGED, NO_CONNECTION, BUSY} | (MACHINE_FAULTS - MAY_BE_ITS_OWN)
"""Codes of faults that no release can cause."""


@dataclass(frozen=True)
class Postponed:
    """A release that is tried again later.

    Attributes:
        tries: how often it was tried.
        until: when it is tried again.
        failure: what stood in the way.
    """

    tries: int
    until: datetime
    failure: Failure


@dataclass(frozen=True)
class Aftermath:
    """Draws the consequences."""

    world: World
    settings: Settings
    journal: Journal
    memory: Memory
    standing: Standing

    def of(self, ran: Ran) -> None:
        """Draws the consequences of an operation that has ended."""
        operation, cause = ran.operation, ran.operation.state.cause
        now = self.world.clock.now()
        log.info("operation.ended", kind=operation.kind, tag=operation.tag, outcome=ran.outcome)
        match ran.outcome:
            case Outcome.COMMITTED:
                self._forget_postponed(operation.fingerprint)
                self.memory.forgive(operation.tag)
                self._leave(operation, now)
                stumbled = f"on the way, it failed: {cause.message}" if cause else ""
                told = f"{operation.met or ''}\n{stumbled}"
                self._tell(f"{operation.tag} is installed and healthy", told)
            case Outcome.HELD:
                self._hold(ran, now)
            case Outcome.ROLLED_BACK | Outcome.CANCELLED | Outcome.POSTPONED if cause:
                self._failed(ran, cause, now)

    def reopen(self) -> None:
        """What ended HELD goes on, unless somebody has changed the data by hand since."""
        last = self.journal.past(1)
        if not last or last[0].outcome is not Outcome.HELD or not last[0].operation.state.actions:
            return
        operation = last[0].operation
        if discards_data(operation.state) and self._changed_since_held():
            log.warning("operation.left", tag=operation.tag, why="the data was changed by hand")
            return
        self.journal.reopen(replace(operation, state=reopened(operation.state)))

    def waiting(self, now: datetime) -> dict[str, str]:
        """Fingerprint -> why a release waits for its next try, and until when."""
        return {
            fingerprint: f"{one.failure.message}; next try at {one.until:%H:%M} UTC"
            for fingerprint, one in self._postponed().items()
            # Should the clock be set back, a wait is not longer than any that is ever set.
            if timedelta() < one.until - now <= _LONGEST_ASKED
        }

    def _failed(self, ran: Ran, cause: Failure, now: datetime) -> None:
        operation = ran.operation
        if operation.kind in {Kind.INSTALL, Kind.UPDATE} and self._is_to_blame(ran, cause):
            self._quarantine(ran, cause, now)
            news = True
        else:
            # Users are not to meet the same again soon; the operator's `update` tries it at once.
            again = cause.code == BUG and ran.outcome is Outcome.ROLLED_BACK
            again = again or (not cause.transient and self._rolled_back_often(ran))
            least = _LONGEST_ASKED if again else timedelta()
            news = self._postpone(operation.fingerprint, cause, now, least)
        if ran.outcome is Outcome.ROLLED_BACK:
            runs = operation.previous.tag if operation.previous else "nothing"
            told = (cause.message, cause.advice, str(operation.met or ""))
            self._tell(
                f"{operation.tag} was taken back; {runs} runs", "\n".join(filter(None, told))
            )
        elif news:
            self._tell(f"{operation.tag} is not installed", f"{cause.message}\n{cause.advice}")

    def _leave(self, operation: Operation, now: datetime) -> None:
        """What an operator went back from is not brought again by the next tick."""
        left = operation.previous
        by_hand = operation.kind in {Kind.ROLLBACK, Kind.RESTORE}
        if by_hand and left is not None and left.tag != operation.tag:
            why = Failure("Refused", "operator.rollback", "the operator went back from it")
            self.memory.quarantine(left.fingerprint, left.tag, str(operation.kind), why, now)

    def _quarantine(self, ran: Ran, cause: Failure, now: datetime) -> None:
        operation = ran.operation
        step = str(operation.state.failed)
        self.memory.quarantine(operation.fingerprint, operation.tag, step, cause, now)
        self._forget_postponed(operation.fingerprint)

    def _is_to_blame(self, ran: Ran, cause: Failure) -> bool:
        """The release failed; or what is transient made it fail in production time and again."""
        if cause.blames_release:
            return True
        if not cause.transient or cause.code in _NEVER_THE_RELEASE:
            return False
        return self._rolled_back_often(ran)

    def _rolled_back_often(self, ran: Ran) -> bool:
        """Whether users have met a release that was taken back for the second time."""
        if ran.outcome is not Outcome.ROLLED_BACK:
            return False
        same = [
            one
            for one in self.journal.past(20)
            if one.outcome is Outcome.ROLLED_BACK
            and one.operation.fingerprint == ran.operation.fingerprint
        ]
        return len(same) >= _MOST_TRANSIENT_ROLLBACKS

    def _hold(self, ran: Ran, now: datetime) -> None:
        operation, state = ran.operation, ran.operation.state
        cause = state.cause.message if state.cause else "it failed"
        way_back = f", and so did {state.action} after it" if state.actions else ""
        reason = f"{operation.tag} failed at step {state.failed}: {cause}{way_back}"
        backup = operation.fact(Step.BACKUP, "path")
        keeps = f"the backup from before is {backup}; " if backup else ""
        advice = f"{keeps}look: koprogo-agent status; once it is mended: koprogo-agent resume"
        self.standing.hold(Held(HeldBy.AGENT, reason, advice, now))
        if operation.target is not None and state.course is Course.ONWARD:
            # Users have written with the new version: it is what is here now.
            self.journal.commit(operation.target, operation.previous)
        update = operation.kind in {Kind.INSTALL, Kind.UPDATE}
        if update and state.cause is not None and self._is_to_blame(ran, state.cause):
            self._quarantine(ran, state.cause, now)
        self._note_data()
        self._open(ran)
        self._tell("the agent needs you", f"{reason}\n{advice}")

    def _note_data(self) -> None:
        """So that the way back, should it go on, does not go over what an operator did by hand."""
        try:
            mark = self.world.database.write_mark(self._database)
        except AgentError:
            mark = None  # not known: whatever is found later counts as changed
        self.journal.put("held_mark", mark)

    def _changed_since_held(self) -> bool:
        mark = self.journal.get(str, "held_mark")
        return mark is None or self.world.database.wrote_since(self._database, mark)

    @property
    def _database(self) -> DatabaseAt:
        return DatabaseAt(self.settings.stack.project, self.settings.database.service)

    def _open(self, ran: Ran) -> None:
        """Ends the hold: what may yet recover by itself is not to be kept from users.

        Not while the data has yet to go back: what users then write would be lost.
        """
        if discards_data(ran.operation.state):
            return
        try:
            let_through(self.world, self.settings)
        except AgentError as error:
            log.error("held.cannot_open", code=error.code, why=error.message)

    def _postpone(self, fingerprint: str, cause: Failure, now: datetime, least: timedelta) -> bool:
        """Later, and each time later still; tells whether what stands in the way is new."""
        postponed = self._postponed()
        known = postponed.get(fingerprint)
        tries = known.tries + 1 if known else 1
        wait = min(_FIRST_WAIT * 2 ** min(tries - 1, 10), _LONGEST_WAIT)
        asked = min(cause.after or 0.0, _LONGEST_ASKED.total_seconds())
        wait = max(wait, timedelta(seconds=asked), least)
        postponed[fingerprint] = Postponed(tries, now + wait, cause)
        self.journal.put("postponed", postponed)
        interrupted = cause.code == INTERRUPTED  # by a reboot, perhaps: it just begins anew
        return not interrupted and (known is None or known.failure.code != cause.code)

    def _forget_postponed(self, fingerprint: str) -> None:
        postponed = self._postponed()
        if postponed.pop(fingerprint, None) is not None:
            self.journal.put("postponed", postponed)

    def _postponed(self) -> dict[str, Postponed]:
        return read_postponed(self.journal)

    def _tell(self, title: str, body: str) -> None:
        self.world.notifier.tell(f"KoproGo: {title}", body.strip())


def read_postponed(journal: Journal) -> dict[str, Postponed]:
    """Fingerprint -> what is tried again later, and when."""
    return journal.get(dict[str, Postponed], "postponed") or {}
