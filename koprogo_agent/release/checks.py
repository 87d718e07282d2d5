"""Checks before a release is prepared: each is told as it is made, and none hides the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from koprogo_agent.errors import AgentError, Refused, RetryLater

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Check:
    """What became of one check, for a person.

    Attributes:
        what: what was looked at, in a word or two.
        found: what was found, in words; None where it could not be looked at.
        failure: why it does not hold; None where it does.
        advice: what to type about something that holds and could be better; else empty.
    """

    what: str
    found: str | None
    failure: AgentError | None = None
    advice: str = ""


class Watcher(Protocol):
    """Who is told how it goes on."""

    def begins(self, what: str) -> None:
        """A check is about to be made, which may take a while."""

    def ends(self, check: Check) -> None:
        """It was made, or could not be."""


class Outcome(Generic[T_co]):
    """What a check found, where it holds."""

    def __init__(self, *found: T_co) -> None:
        """With what was found; without it, the check does not hold."""
        self._found = found

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return bool(self._found)

    @property
    def value(self) -> T_co:
        """What was found; only to be asked where the check holds."""
        return self._found[0]


@dataclass
class Checks:
    """Makes checks, and remembers those that do not hold."""

    watcher: Watcher
    failures: list[AgentError] = field(default_factory=list)

    def make(
        self,
        what: str,
        look: Callable[[], T],
        tell: Callable[[T], str],
        needs: tuple[Outcome[object], ...] = (),
    ) -> Outcome[T]:
        """Looks at one thing.

        Args:
            what: what is looked at, in a word or two.
            look: gives what is found; raises where it is not as it should be.
            tell: what was found, in words.
            needs: checks that must hold before it can be looked at.
        """
        if not all(one.holds for one in needs):
            self.watcher.ends(Check(what, None))
            return Outcome()
        self.watcher.begins(what)
        try:
            found = look()
        except AgentError as error:
            self.failures.append(error)
            self.watcher.ends(Check(what, error.message, error))
            return Outcome()
        self.watcher.ends(Check(what, tell(found)))
        return Outcome(found)

    def note(self, what: str, found: str, advice: str) -> None:
        """Tell something that keeps no release from being prepared, and what to type about it."""
        self.watcher.ends(Check(what, found, advice=advice))

    def require_all(self, subject: str) -> None:
        """Every check must hold.

        Raises:
            RetryLater: those that do not may hold later by themselves (code `prepare.later`).
            Refused: one of them will not (code `prepare.refused`).
        """
        if not self.failures:
            return
        count = len(self.failures)
        said = f"cannot prepare {subject}: {count} check{'' if count == 1 else 's'} failed"
        advice = "mend what is marked ✗ above, and type the same again"
        if all(isinstance(one, RetryLater) for one in self.failures):
            raise RetryLater(said, code="prepare.later", advice=advice)
        raise Refused(said, code="prepare.refused", advice=advice)
