"""Where an instance stands, in the words of a report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.states import Outcome
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import Refused
from koprogo_agent.settings import Settings
from koprogo_agent.update.journal import Journal, PastOperation
from koprogo_agent.update.memory import Memory, Sighting
from koprogo_agent.update.operation import Operation as Performed
from koprogo_agent.update.status import Status, read_status
from koprogo_agent.wire.report import Operation, Pending, StateName

NEXT = "next"
"""The gate of a release that nothing stands against."""
REFUSED = "refused"
"""The gate of a release that a rule of trust keeps out."""
_RECENT = 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Snapshot:
    """Where an instance stands at one moment.

    Attributes:
        at: the moment.
        state: in one word.
        installed: tag; None where nothing is installed, or the release is not known.
        digest: names what was verified and installed, or None.
        channel: whose releases are followed.
        operations: number in the journal -> the last ones that have ended, oldest first.
        pending: the newest release that is not installed, or None.
        polled: when the source last answered, or None.
        down: since when the stack is down, or None.
        fault: why, as a word, or None.
    """

    at: datetime
    state: StateName
    installed: str | None
    digest: str | None
    channel: str
    operations: tuple[tuple[int, Operation], ...]
    pending: Pending | None
    polled: datetime | None
    down: datetime | None = None
    fault: str | None = None


def read_snapshot(journal: Journal, settings: Settings, now: datetime) -> Snapshot:
    """Reads it from the journal."""
    status, installed = read_status(journal, settings, now), journal.installed
    sightings = Memory(journal.store).sightings()
    down = status.condition if status.condition and status.condition.is_down else None
    past = [one for one in journal.past(_RECENT) if one.outcome is not Outcome.POSTPONED]
    return Snapshot(
        at=now,
        state=status.state,
        installed=_tag(status.installed),
        digest=_digest(installed.fingerprint) if installed else None,
        channel=settings.trust.channel,
        operations=tuple((one.operation.id, _operation(one, sightings)) for one in reversed(past)),
        pending=_pending(status),
        polled=status.polls.succeeded,
        down=down.since if down else None,
        fault=down.code if down else None,
    )


def _operation(past: PastOperation, sightings: dict[str, Sighting]) -> Operation:
    operation, state = past.operation, past.operation.state
    seen = sightings.get(operation.tag)
    return Operation(
        kind=operation.kind,
        tag=_tag(operation.tag),
        outcome=past.outcome,
        began=seconds(operation.started),
        ended=seconds(past.ended),
        seen=seconds(seen.first_seen) if seen else None,
        step=state.failed,
        code=state.cause.code if state.cause else None,
        **_met(operation),
    )


def _met(operation: Performed) -> dict[str, int]:
    """What users met, where they were let through again."""
    met = operation.met
    if met is None:
        return {}
    return {
        "waited_ms": round(met.waited * 1000),
        "turned_away": met.turned_away,
        "away_ms": round(met.away * 1000),
    }


def _pending(status: Status) -> Pending | None:
    """What stands against the newest release, without the words: they may name this machine."""
    if status.candidate:
        return Pending(tag=status.candidate, gate=NEXT)
    for waits in status.waiting:
        until = seconds(waits.until) if waits.until else None
        return Pending(
            tag=waits.tag, gate=waits.gate, step=waits.step, code=waits.code, until=until
        )
    for one in status.refusals:
        if tag := _tag(one.tag):
            return Pending(tag=tag, gate=REFUSED, code=one.code)
    return None


def seconds(moment: datetime) -> int:
    """A moment as the wire has it."""
    return max(int(moment.timestamp()), 0)


def _tag(name: str | None) -> str | None:
    """The name of a release, where it is one."""
    try:
        return name if name and parse_tag(name) else None
    except Refused:
        return None


def _digest(fingerprint: str) -> str | None:
    return fingerprint if _DIGEST.fullmatch(fingerprint) else None
