"""What went wrong, named by what happens next.

Every error that the agent raises on purpose is one of these four. The engine and the command line
look only at the class to decide what follows; the text is for a person, and says what happened,
why, and what to type next.
"""

from __future__ import annotations

from dataclasses import dataclass

DISK_FULL = "disk.full"
READ_ONLY = "disk.read_only"
"""Codes of faults of a file system that several adapters meet."""


class AgentError(Exception):
    """Base of the errors that the agent raises on purpose.

    Attributes:
        code: short, stable, machine-readable name of the fault, such as `registry.rate_limited`.
        advice: what a person can do about it, or an empty string.
    """

    def __init__(self, message: str, *, code: str, advice: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.advice = advice

    @property
    def message(self) -> str:
        """The sentence without the advice."""
        return str(self.args[0])


class RetryLater(AgentError):
    """Transient: the same thing may succeed by itself later. Nothing is quarantined.

    Attributes:
        after: seconds that the other side asked us to wait, or None when it did not say.
    """

    def __init__(
        self, message: str, *, code: str, advice: str = "", after: float | None = None
    ) -> None:
        super().__init__(message, code=code, advice=advice)
        self.after = after


class Refused(AgentError):
    """A rule of trust or policy says no. Trying again does not help; the evidence is kept."""


class StepFailed(AgentError):
    """The release itself failed here: it is taken back and quarantined."""


class NeedsOperator(AgentError):
    """Only a person can mend this: configuration, disk, permissions."""


@dataclass(frozen=True)
class Failure:
    """An error as a value, for the journal and for the pure core.

    Attributes:
        kind: class name of the error: what happens next.
        code: the error's machine-readable name.
        message: one sentence for a person.
        advice: what to type next, or an empty string.
        after: seconds to wait before another try, where the other side said so.
    """

    kind: str
    code: str
    message: str
    advice: str = ""
    after: float | None = None

    @classmethod
    def of(cls, error: AgentError) -> Failure:
        """The value of a raised error."""
        after = error.after if isinstance(error, RetryLater) else None
        kinds = (RetryLater, Refused, StepFailed, NeedsOperator)
        kind = next((one for one in kinds if isinstance(error, one)), type(error))
        return cls(kind.__name__, error.code, error.message, error.advice, after)

    @property
    def transient(self) -> bool:
        """Whether the same thing may succeed by itself later."""
        return self.kind == RetryLater.__name__

    @property
    def blames_release(self) -> bool:
        """Whether the release is at fault and must be quarantined."""
        return self.kind in {StepFailed.__name__, Refused.__name__}
