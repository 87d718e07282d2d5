"""What has changed at an instance since it was last noted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from koprogo_agent.domain.states import Outcome
from koprogo_agent.reporting.snapshot import Snapshot, seconds
from koprogo_agent.wire.report import Operation, StateName, Transition


@dataclass(frozen=True)
class Known:
    """What was noted last.

    Attributes:
        state: in one word.
        installed: tag, or None.
        agent: version of the agent.
        operation: number of the last operation, in the journal.
        down: since when the stack is down, or None.
    """

    state: StateName
    installed: str | None
    agent: str
    operation: int
    down: int | None = None


def known(snapshot: Snapshot, agent: str) -> Known:
    """What is known once a snapshot is noted."""
    last = max((number for number, _ in snapshot.operations), default=0)
    return Known(snapshot.state, snapshot.installed, agent, last, _down(snapshot))


def news(snapshot: Snapshot, agent: str, before: Known | None) -> Iterator[Transition]:
    """One transition for each operation that has ended, and one for whatever else is different.

    They have no numbers yet. Of what was before the first report nothing is told but the last
    operation: the fleet has no past for an instance that it did not know.
    """
    now = known(snapshot, agent)
    ended = [
        operation
        for number, operation in snapshot.operations
        if before is None or number > before.operation
    ]
    if before is None:
        ended = ended[-1:]
    elif now.operation < before.operation:
        ended = []  # the journal was lost and made anew: it counts from the beginning
    ran = before.installed if before else None
    for operation in ended:
        is_last = operation is ended[-1]
        ran = snapshot.installed if is_last else _installed_after(operation, ran)
        yield _transition(replace(snapshot, installed=ran), agent, operation.ended, operation)
    if not ended and now != before:
        yield _transition(snapshot, agent, seconds(snapshot.at), None)


def _installed_after(operation: Operation, before: str | None) -> str | None:
    return operation.tag if operation.outcome == Outcome.COMMITTED else before


def _transition(snapshot: Snapshot, agent: str, at: int, operation: Operation | None) -> Transition:
    return Transition(
        number=0,
        at=at,
        state=snapshot.state,
        agent=agent,
        installed=snapshot.installed,
        operation=operation,
        down=_down(snapshot),
    )


def _down(snapshot: Snapshot) -> int | None:
    return seconds(snapshot.down) if snapshot.down else None
