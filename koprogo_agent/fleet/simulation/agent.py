"""An instance that is not there, as the fleet sees it. It knows no clock: all is told it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache

from koprogo_agent import __version__
from koprogo_agent.domain.choose import Waits
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Outcome
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.fleet.simulation.fate import Fate, Lot
from koprogo_agent.fleet.simulation.outbox import Outbox
from koprogo_agent.fleet.simulation.source import Source
from koprogo_agent.wire.report import Operation, Pending, Report, StateName, Transition, fitted

_CHANNEL = "stable"
_NEXT = "next"
"""The gate of a release that nothing stands against (docs/report-protocol.md)."""
_OUTCOMES = {Fate.FAILS: Outcome.ROLLED_BACK, Fate.HELD: Outcome.HELD}
_STATES = {
    Outcome.COMMITTED: StateName.CURRENT,
    Outcome.ROLLED_BACK: StateName.ROLLED_BACK,
    Outcome.HELD: StateName.HELD,
}


@dataclass(slots=True)
class Agent:
    """One instance. Moments are seconds since 1970.

    Attributes:
        number: among those of this simulation.
        name: its random name.
        installed: tag.
        outbox: what it has yet to tell.
        lot: what becomes of it; None before minute 0.
        state: in one word.
        is_silent: whether it is switched off.
        seen: when it first saw the release, or None.
        began: when it began to install it, or None.
        installed_at: when it had done so, or None.
        known_at: when the server had kept that for good, or None.
        polled: when it last asked the source, or None.
        operation: the last one that has ended, or None.
        pending: the release that is not installed, or None.
    """

    number: int
    name: str
    installed: str
    outbox: Outbox
    lot: Lot | None = None
    state: StateName = StateName.CURRENT
    is_silent: bool = False
    seen: int | None = None
    began: int | None = None
    installed_at: float | None = None
    known_at: float | None = None
    polled: int | None = None
    operation: Operation | None = None
    pending: Pending | None = None

    def begin(self, now: float, lot: Lot) -> None:
        """Minute 0, from which on its lot is what becomes of it."""
        self.lot = lot
        if lot.fate is Fate.PAUSED:
            self.state = StateName.PAUSED
            self.note(now)

    def poll(self, now: float, source: Source) -> float:
        """Asks the source; gives when an update that begins here is over, or infinity."""
        # As the agent's one thread: while it installs, it does not poll.
        if self.lot is None or self.is_silent or self._is_busy:
            return math.inf
        tag, self.polled = source.polled(now), int(now)
        if tag == self.installed or self._is_done:
            return math.inf
        if self.seen is None:
            self.seen = int(now)
            source.fetched(now)
        self.pending = self._pending(tag, now, self.lot)
        if self.pending.gate != _NEXT:
            return math.inf
        self.began, self.state = int(now), StateName.UPDATING
        self.note(now)
        return now + self.lot.takes

    @property
    def _is_busy(self) -> bool:
        """Whether it installs the release."""
        return self.began is not None and not self._is_done

    @property
    def _is_done(self) -> bool:
        """Whether the release is installed, or was given up."""
        return self.installed_at is not None or self.operation is not None

    @staticmethod
    def _pending(tag: str, now: float, lot: Lot) -> Pending:
        if lot.fate is Fate.PAUSED:
            return Pending(tag=tag, gate=Waits.HOLD)
        if lot.fate is Fate.WINDOW and now < lot.opens:
            return Pending(tag=tag, gate=Waits.WINDOW, until=int(lot.opens))
        return Pending(tag=tag, gate=_NEXT)

    def step(self, now: float, soak: float) -> float:
        """What was going on is over; gives when what follows is, or infinity.

        A release that works is installed first, and then watched for so many seconds.
        """
        if self.lot is None or self.pending is None:
            return math.inf
        outcome = _OUTCOMES.get(self.lot.fate, Outcome.COMMITTED)
        if outcome is Outcome.COMMITTED and self.installed_at is None:
            self.installed, self.installed_at = self.pending.tag, now
            self.note(now)
            return now + soak
        self._end(now, outcome, self.lot, self.pending.tag)
        return math.inf

    def _end(self, now: float, outcome: Outcome, lot: Lot, tag: str) -> None:
        failed = outcome is not Outcome.COMMITTED
        step, code = lot.fault if failed else (None, None)
        self.operation = Operation(
            kind=Kind.UPDATE,
            tag=tag,
            outcome=outcome,
            began=self.began or 0,
            ended=int(now),
            seen=self.seen,
            step=step,
            code=code,
        )
        gate = Waits.HOLD if outcome is Outcome.HELD else Waits.QUARANTINE
        self.pending = Pending(tag=tag, gate=gate, step=step, code=code) if failed else None
        self.state = _STATES[outcome]
        self.note(now, self.operation)

    def follows(self, hint: str | None) -> bool:
        """Whether a release that the server speaks of is worth a poll, once."""
        if hint is None or hint == self.outbox.hinted:
            return False
        self.outbox.hinted = hint
        known = [self.installed, *([self.pending.tag] if self.pending else [])]
        return all(parse_tag(hint) > parse_tag(tag) for tag in known)

    def note(self, now: float, operation: Operation | None = None) -> None:
        """Something has changed, or an operation has ended."""
        self.outbox.note(
            Transition(
                number=0,
                at=int(now),
                state=self.state,
                agent=__version__,
                installed=self.installed,
                operation=operation,
            )
        )

    def report(self) -> Report:
        """The report that is next; its sequence number is used up."""
        return fitted(
            Report(
                instance=self.name,
                sequence=self.outbox.next_sequence(),
                run=self.outbox.run,
                agent=__version__,
                state=self.state,
                channel=_CHANNEL,
                installed=self.installed,
                digest=_digest(self.installed),
                operation=self.operation,
                pending=self.pending,
                polled=self.polled,
                transitions=tuple(reversed(self.outbox.waiting)),
            )
        )


@cache
def _digest(tag: str) -> str:
    """What would be the SHA-256 of the manifest."""
    return hashlib.sha256(tag.encode()).hexdigest()
