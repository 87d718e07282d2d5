"""What the agent knows of its own standing: polls, choice, drift, and whether it is held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from koprogo_agent.domain.choose import Choice
from koprogo_agent.domain.condition import Condition
from koprogo_agent.domain.drift import Applied
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import Failure
from koprogo_agent.update.journal import Journal


class HeldBy(StrEnum):
    """Who said that nothing is to be changed."""

    AGENT = "agent"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Held:
    """The agent changes nothing until an operator speaks.

    Attributes:
        by: the agent itself, after a failure that it could not mend; or the operator.
        reason: why, for a person.
        advice: what to type next.
    """

    by: HeldBy
    reason: str
    advice: str
    since: datetime


@dataclass(frozen=True)
class Polls:
    """How the polls went.

    Attributes:
        succeeded: when one last succeeded, or None.
        failing_since: when the present row of failures began, or None.
        failure: the last failure of the present row, or None.
    """

    succeeded: datetime | None = None
    failing_since: datetime | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Pending:
    """What the last poll chose.

    Attributes:
        candidate: tag of the release that is next, or None.
        reasons: tag, gate and detail of every newer release that waits.
        refused: tag and object id of what the source listed and a rule of trust keeps out.
    """

    candidate: str | None
    reasons: tuple[tuple[str, str, str], ...]
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Drift:
    """How the stack differs from what was applied, and since when.

    Attributes:
        differences: in words.
        older: the older release that was started by hand, or an empty string.
        newer_schema: whether the database then has the schema of a newer release.
    """

    differences: tuple[str, ...]
    since: datetime
    older: str = ""
    newer_schema: bool = False

    @property
    def cause(self) -> str:
        """What happened, where an older release was started by hand; else an empty string."""
        on = " on the newer schema" if self.newer_schema else ""
        told = f"the stack was started by hand with an older version ({self.older}){on}"
        return told if self.older else ""


class Standing:
    """Reads and writes the agent's standing in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def polls(self) -> Polls:
        """How the polls went."""
        return self._journal.get(Polls, "polls") or Polls()

    def poll_succeeded(self, now: datetime) -> None:
        """The source answered."""
        self._journal.put("polls", Polls(succeeded=now))

    def poll_failed(self, failure: Failure, now: datetime) -> None:
        """The source did not answer as it should."""
        polls = self.polls
        since = min(polls.failing_since or now, now)
        self._journal.put("polls", replace(polls, failing_since=since, failure=failure))

    @property
    def held(self) -> Held | None:
        """Why nothing is changed, or None."""
        return self._journal.get(Held, "held")

    def hold(self, held: Held) -> None:
        """Nothing is changed from now on."""
        self._journal.put("held", held)
        self._journal.record("agent.held", held.since, by=held.by, reason=held.reason)

    def resume(self, now: datetime) -> bool:
        """The operator has spoken; tells whether anything was held."""
        was_held = self.held is not None
        self._journal.put("held", None)
        if was_held:
            self._journal.record("agent.resumed", now)
        return was_held

    @property
    def pending(self) -> Pending:
        """What the last poll chose."""
        return self._journal.get(Pending, "pending") or Pending(None, ())

    def chose(self, choice: Choice, refused: Iterable[TagRef]) -> None:
        """Remembers a choice and what was kept out of it, for `why` and `status`."""
        candidate = choice.candidate.tag if choice.candidate else None
        reasons = tuple((one.tag, str(one.waits), one.detail) for one in choice.reasons)
        pending = Pending(candidate, reasons, tuple((ref.name, ref.oid) for ref in refused))
        if pending != self.pending:
            self._journal.put("pending", pending)

    @property
    def applied(self) -> dict[str, Applied]:
        """The services as they were applied."""
        return self._journal.get(dict[str, Applied], "applied") or {}

    def apply(self, services: dict[str, Applied]) -> None:
        """Remembers the services as they are now."""
        self._journal.put("applied", services)

    @property
    def drift(self) -> Drift | None:
        """The present drift, or None."""
        return self._journal.get(Drift, "drift")

    def drifted(self, found: Drift | None) -> bool:
        """Remembers what differs; tells whether this is news."""
        known = self.drift
        if (known.differences if known else ()) == (found.differences if found else ()):
            return False
        self._journal.put("drift", found)
        return found is not None

    @property
    def condition(self) -> Condition | None:
        """Whether the stack is up or down, as the last look found it; None before the first."""
        return self._journal.get(Condition, "condition")

    def looked(self, condition: Condition) -> None:
        """Remembers the condition that was found."""
        self._journal.put("condition", condition)

    def hears(self, name: str, text: str, now: datetime) -> bool:
        """Remembers what somebody says now (empty: nothing); tells whether this is news."""
        known = self._journal.get(str, name) or ""
        if known == text:
            return False
        self._journal.put(name, text or None)
        self._journal.record(name if text else f"{name}.over", now, why=text)
        return True
