"""What is to come: the release that is next, and why the other newer ones wait.

The last poll chose; since then releases may have failed, been installed or forgiven, and the agent
been held or told to go on. What is said is true now, not at the last poll.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from koprogo_agent.domain.choose import Waits
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.update.aftermath import Postponed, read_postponed
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory, Quarantined, Refusal
from koprogo_agent.update.standing import Standing

_RECENT = 100
"""Operations in which the tag of a postponed release is looked for."""
_LOOKED_AT_AGAIN = "poll"
_PASSED = {Waits.QUARANTINE, Waits.BACKOFF, Waits.HOLD}
"""Gates of which the journal itself says whether they are still closed."""


@dataclass(frozen=True)
class Waiting:
    """A newer release that is not installed now.

    Attributes:
        gate: what it waits for, or is kept out by (`domain.choose.Waits`); `poll` when nothing is
            known to stand against it any more.
        until: when the agent tries again by itself, where that is known.
        step: where it failed here, if it did.
        code: why it failed here, if it did.
        advice: what to type, where there is something.
    """

    tag: str
    gate: str
    detail: str
    until: datetime | None = None
    step: str | None = None
    code: str | None = None
    advice: str = ""


class Outlook:
    """Reads what is to come from a journal."""

    def __init__(self, journal: Journal, now: datetime) -> None:
        self._journal = journal
        self._now = now
        self._memory = Memory(journal.store)
        self._standing = Standing(journal)
        self._pending = self._standing.pending

    @property
    def candidate(self) -> str | None:
        """The release that the next tick installs, as far as is known."""
        tag = self._pending.candidate
        closed = tag in self._failed or tag in self._later or self._standing.held
        return tag if tag and self._is_newer(tag) and not closed else None

    def waiting(self) -> Iterator[Waiting]:
        """The other newer releases, newest first."""
        reasons = list(self._pending.reasons)
        if self._pending.candidate and self.candidate is None:
            reasons.append((self._pending.candidate, Waits.HOLD, ""))
        for tag, gate, detail in reasons:
            if self._is_newer(tag):
                yield self._judged(tag, gate, detail)

    def refused(self) -> Iterator[Refusal]:
        """Tags that a rule of trust keeps out: those that matter, newest refusal first.

        Not what was let in since, nor what the source no longer lists, nor what is older than what
        runs; but what was moved, always.
        """
        let_in = {self._pending.candidate, *(tag for tag, _, _ in self._pending.reasons)}
        listed, seen = set(self._pending.refused), self._memory.sightings()
        for one in self._memory.refusals():
            moved = one.tag in seen and seen[one.tag].oid != one.oid
            newer = one.tag not in let_in and self._is_newer(one.tag)
            if (one.tag, one.oid) in listed and (moved or newer):
                yield one

    def _judged(self, tag: str, gate: str, detail: str) -> Waiting:
        failed, later, held = self._failed.get(tag), self._later.get(tag), self._standing.held
        if failed is not None:
            return Waiting(
                tag, Waits.QUARANTINE, failed.message, step=failed.step, code=failed.code
            )
        if held is not None and gate in _PASSED:
            return Waiting(tag, Waits.HOLD, held.reason)
        if later is not None:
            why = later.failure
            return Waiting(
                tag, Waits.BACKOFF, why.message, later.until, code=why.code, advice=why.advice
            )
        if gate in _PASSED:
            return Waiting(tag, _LOOKED_AT_AGAIN, "it is looked at again at the next poll")
        return Waiting(tag, gate, detail)

    def _is_newer(self, tag: str) -> bool:
        installed = self._journal.installed
        runs = installed.version if installed else None
        return runs is None or parse_tag(tag) > runs

    @cached_property
    def _failed(self) -> dict[str, Quarantined]:
        return {one.tag: one for one in self._memory.quarantined().values()}

    @cached_property
    def _later(self) -> dict[str, Postponed]:
        postponed = read_postponed(self._journal)
        past = self._journal.past(_RECENT) if postponed else ()
        tags = {one.operation.fingerprint: one.operation.tag for one in past}
        return {
            tags[fingerprint]: one
            for fingerprint, one in postponed.items()
            if fingerprint in tags and one.until > self._now
        }
