"""One report to the fleet and what follows from its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from koprogo_agent.errors import AgentError
from koprogo_agent.ports import Fleet
from koprogo_agent.reporting.outbox import Outbox
from koprogo_agent.reporting.snapshot import Snapshot, seconds
from koprogo_agent.wire.answer import BEHIND, UNKNOWN, Answer, Rejection
from koprogo_agent.wire.report import Report, encode, fitted


@dataclass(frozen=True)
class Teller:
    """Speaks for one instance.

    Attributes:
        fleet: to whom.
        outbox: what the fleet has yet to hear.
        agent: version of this agent.
        token: from the association, or None.
    """

    fleet: Fleet
    outbox: Outbox
    agent: str
    token: str | None = None

    def compose(self, snapshot: Snapshot) -> Report:
        """The report that is next; its sequence number is used up."""
        polled = snapshot.polled
        report = Report(
            instance=self.fleet.instance(),
            sequence=self.outbox.next_sequence(),
            run=self.outbox.run,
            agent=self.agent,
            state=snapshot.state,
            channel=snapshot.channel,
            installed=snapshot.installed,
            digest=snapshot.digest,
            operation=snapshot.operations[-1][1] if snapshot.operations else None,
            pending=snapshot.pending,
            polled=seconds(polled) if polled else None,
            transitions=self.outbox.waiting(),
            down=seconds(snapshot.down) if snapshot.down else None,
            fault=snapshot.fault,
            token=None if self.outbox.heard.verified else self.token,
        )
        return fitted(report)

    def tell(self, snapshot: Snapshot, now: datetime) -> Answer | Rejection:
        """Sends the report that is next, and remembers what came of it.

        Raises:
            AgentError: as `Fleet.send`; that is remembered, too.
        """
        try:
            said = self._sent(snapshot)
        except AgentError as error:
            self._failed(error.message, now)
            raise
        match said:
            case Answer():
                self._taken(said, now)
            case Rejection():
                self._failed(f"it was not taken: {said.message}", now)
        return said

    def forget(self) -> Rejection | None:
        """Has the fleet erase this instance, and forgets what was said; None when that is done.

        Raises:
            AgentError: as `Fleet.forget`.
        """
        rejection = self.fleet.forget()
        if rejection is None or rejection.code == UNKNOWN:
            self.outbox.empty()
            return None
        return rejection

    def _sent(self, snapshot: Snapshot) -> Answer | Rejection:
        said = self.fleet.send(encode(self.compose(snapshot)))
        if isinstance(said, Rejection) and said.code == BEHIND and said.sequence is not None:
            # What counted them was lost, or this machine was put back to an earlier day.
            self.outbox.raise_sequence(said.sequence)
            said = self.fleet.send(encode(self.compose(snapshot)))
        return said

    def _taken(self, answer: Answer, now: datetime) -> None:
        self.outbox.acknowledge(answer.acknowledged)
        heard = self.outbox.heard
        self.outbox.hears(
            replace(
                heard,
                taken=now,
                failing_since=None,
                failure="",
                verified=answer.verified,
                highest=answer.highest,
                notice=answer.notice,
            )
        )

    def _failed(self, why: str, now: datetime) -> None:
        heard = self.outbox.heard
        since = heard.failing_since or now
        self.outbox.hears(replace(heard, failing_since=since, failure=why))
