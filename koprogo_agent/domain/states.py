"""The states of an operation, what may happen to it, and what it may ask to be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from koprogo_agent.domain.plan import Action, Plan, Step
from koprogo_agent.errors import Failure


class Course(StrEnum):
    """Where an operation is heading."""

    FORWARD = "forward"
    BACK = "back"
    ONWARD = "onward"  # failed, but users have written: the new version must be made to run


class Outcome(StrEnum):
    """How an operation ended."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"  # failed before anything stopped; nobody noticed
    POSTPONED = "postponed"  # something transient, before anything stopped
    HELD = "held"


@dataclass(frozen=True)
class State:
    """Where an operation is. Written to the journal before each command.

    Attributes:
        plan: what was to be done.
        course: where it is heading now.
        actions: the actions of this course.
        position: index of the action that is being carried out.
        tries: how often this action was begun before.
        cause: why the course is not `FORWARD`.
        failed: the step at which it turned back.
        opened: whether users may have written since the rollback point was made.
    """

    plan: Plan
    course: Course
    actions: tuple[Action, ...]
    position: int = 0
    tries: int = 0
    cause: Failure | None = None
    failed: Step | None = None
    opened: bool = False

    @property
    def action(self) -> Action:
        """The action that is being carried out."""
        return self.actions[self.position]

    @property
    def watches(self) -> bool:
        """Whether the release is installed, and only the soak is left before all is tidied."""
        return bool(self.actions) and self.action == Action(Step.SOAK)


# --- events


@dataclass(frozen=True)
class Finished:
    """The action was carried out.

    Attributes:
        wrote: on the way back: whether users may have written to the data that it would discard.
    """

    wrote: bool = False


@dataclass(frozen=True)
class Unfinished:
    """The action goes on; this was a slice of it (the soak)."""


@dataclass(frozen=True)
class Broke:
    """The action failed."""

    failure: Failure


@dataclass(frozen=True)
class Resumed:
    """The agent started and found this operation in the journal."""


class Truth(StrEnum):
    """What a step's probe finds on the machine after a crash."""

    DONE = "done"
    NOT_DONE = "not done"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Found:
    """What the probe of the present action found."""

    truth: Truth


Event = Finished | Unfinished | Broke | Resumed | Found


# --- commands


@dataclass(frozen=True)
class Carry:
    """Carry out the present action."""


@dataclass(frozen=True)
class Probe:
    """Ask the present action's step what is true on the machine."""


@dataclass(frozen=True)
class Rest:
    """Leave the operation for a while: what is left of it is watching."""


@dataclass(frozen=True)
class Pause:
    """Something transient stands in the way: leave the operation as it is until the next tick."""

    failure: Failure


@dataclass(frozen=True)
class End:
    """The operation has ended."""

    outcome: Outcome


Command = Carry | Probe | Rest | Pause | End
