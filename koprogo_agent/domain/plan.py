"""What an operation will do: the list of steps, and the way back from each of them.

The table of DESIGN section 4 as values. `update` accepts a `VerifiedRelease` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from koprogo_agent.domain.trust import VerifiedRelease


class Step(StrEnum):
    """The steps of an operation, in the order of an update."""

    STAGE = "stage"
    BUDGET = "budget"
    PULL = "pull"
    BACKUP = "backup"
    REHEARSE = "rehearse"
    HOLD = "hold"
    POINT = "point"
    RESTORE = "restore"
    MIGRATE = "migrate"
    SWITCH = "switch"
    GATE = "gate"
    RELEASE = "release"
    COMMIT = "commit"
    SOAK = "soak"
    TIDY = "tidy"

    @classmethod
    def _missing_(cls, value: object) -> Step | None:
        """A step under its name of before, as older journals have it."""
        return {"fence": cls.HOLD, "unfence": cls.RELEASE}.get(str(value))


class Direction(StrEnum):
    """Whether a step is done or undone."""

    DO = "do"
    UNDO = "undo"


@dataclass(frozen=True)
class Action:
    """One step in one direction."""

    step: Step
    direction: Direction = Direction.DO

    def __str__(self) -> str:
        return self.step if self.direction is Direction.DO else f"undo {self.step}"


class Kind(StrEnum):
    """Why an operation exists."""

    INSTALL = "install"
    UPDATE = "update"
    ROLLBACK = "rollback"
    RESTORE = "restore"
    HEAL = "heal"


class Migrates(StrEnum):
    """How a release's migrations are run."""

    AT_START = "start"
    BY_COMMAND = "command"
    BY_SERVICE = "service"


@dataclass(frozen=True)
class Terms:
    """What the plan of an update depends on, besides the release.

    Attributes:
        installed: whether a release runs here already.
        schema_changes: whether the release's migrations differ from the installed one's.
        migrates: how migrations are run.
        backup: whether the operator wants a backup before an update.
        rehearsal: whether this release is to be rehearsed.
        old_works_on_new_schema: whether the release declares that the installed version still
            works on its schema, so that the old images may go back without the old data.
    """

    installed: bool
    schema_changes: bool
    migrates: Migrates
    backup: bool
    rehearsal: bool
    old_works_on_new_schema: bool = False


@dataclass(frozen=True)
class Plan:
    """The steps of one operation.

    Attributes:
        kind: why the operation exists.
        steps: in order.
        detached: whether the old images may go back without the old data.
    """

    kind: Kind
    steps: tuple[Step, ...]
    detached: bool = False

    @property
    def holds(self) -> bool:
        """Whether users are kept from noticing the exchange: they wait, or are served beside it."""
        return Step.HOLD in self.steps

    @property
    def rewinds_data(self) -> bool:
        """Whether data is exchanged or may go back, so that nobody may write meanwhile."""
        return Step.POINT in self.steps or Step.RESTORE in self.steps


_PREPARE = (Step.STAGE, Step.BUDGET, Step.PULL)
_EXCHANGE = (Step.HOLD, Step.SWITCH, Step.GATE, Step.RELEASE)
_FINISH = (Step.COMMIT, Step.SOAK, Step.TIDY)


def update(release: VerifiedRelease, terms: Terms) -> Plan:  # noqa: ARG001 - see below
    """The plan that brings a verified release here.

    The release is not looked at: that it is a parameter, and of this type, is the point. What is
    not verified cannot be planned, because it does not type.
    """
    migrate = () if terms.migrates is Migrates.AT_START else (Step.MIGRATE,)
    if not terms.installed:
        steps = (*_PREPARE, *migrate, Step.SWITCH, Step.GATE, *_FINISH)
        return Plan(Kind.INSTALL, steps)
    backup = (Step.BACKUP,) if terms.backup or terms.rehearsal or terms.schema_changes else ()
    rehearse = (Step.REHEARSE,) if terms.rehearsal else ()
    prepare = (*_PREPARE, *backup, *rehearse)
    if not terms.schema_changes:
        return Plan(Kind.UPDATE, (*prepare, *_EXCHANGE, *_FINISH), detached=True)
    change = (Step.HOLD, Step.POINT, *migrate, Step.SWITCH, Step.GATE, Step.RELEASE)
    return Plan(Kind.UPDATE, (*prepare, *change, *_FINISH), terms.old_works_on_new_schema)


def rollback() -> Plan:
    """The plan that puts the last good release back where its images alone are enough."""
    return Plan(Kind.ROLLBACK, (Step.PULL, *_EXCHANGE, *_FINISH), detached=True)


def restore() -> Plan:
    """The plan that puts a backup back, with the release that it belongs to."""
    change = (Step.HOLD, Step.RESTORE, Step.SWITCH, Step.GATE, Step.RELEASE)
    return Plan(Kind.RESTORE, (Step.PULL, Step.BACKUP, *change, *_FINISH))


def heal() -> Plan:
    """The plan that puts right what differs from what was applied."""
    return Plan(Kind.HEAL, (Step.PULL, *_EXCHANGE))


def stops_something(plan: Plan, step: Step) -> bool:
    """Whether users may notice this step or anything before it."""
    first = next(one for one in (Step.HOLD, Step.MIGRATE, Step.SWITCH) if one in plan.steps)
    return plan.steps.index(step) >= plan.steps.index(first)


def way_back(plan: Plan, reached: Step) -> tuple[Action, ...]:
    """The actions that undo a plan which failed at a step.

    This is not the plan reversed: old images on a new schema do not start (sqlx says
    VersionMissing), so everything stops first, then the data goes back, then the images, then both
    pass the gate as one pair, and only then users come in. Healing has no way back: it was the
    way back.
    """
    if plan.kind is Kind.HEAL:
        return ()
    reached_steps = plan.steps[: plan.steps.index(reached) + 1]
    if not stops_something(plan, reached):
        order = (Step.REHEARSE, Step.PULL, Step.STAGE)
        return tuple(Action(step, Direction.UNDO) for step in order if step in reached_steps)
    cleaning = tuple(
        Action(step, Direction.UNDO) for step in (Step.PULL, Step.STAGE) if step in plan.steps
    )
    if reached is Step.HOLD:
        # Nothing was exchanged yet: what runs is what ran, and users only have to be let through.
        return (Action(Step.RELEASE, Direction.UNDO), *cleaning, Action(Step.TIDY))
    # A point that failed to be made is not gone back to: nothing has changed the data yet.
    pair = [Action(Step.POINT, Direction.UNDO)] if Step.POINT in reached_steps[:-1] else []
    pair += [Action(Step.RESTORE, Direction.UNDO)] if Step.RESTORE in reached_steps else []
    committed = Step.COMMIT in reached_steps
    return (
        *([Action(Step.HOLD)] if plan.holds else []),
        *pair,
        *_images_back(plan),
        *([Action(Step.COMMIT, Direction.UNDO)] if committed else []),
        *cleaning,
        Action(Step.TIDY),
    )


def way_back_without_data(plan: Plan) -> tuple[Action, ...]:
    """The way back when users have written since: the old images on the present data."""
    return (*_images_back(plan), Action(Step.COMMIT, Direction.UNDO), Action(Step.TIDY))


def way_on(plan: Plan) -> tuple[Action, ...]:
    """The way when users have written and the old version cannot run on their data: onwards."""
    migrate = (Step.MIGRATE,) if Step.MIGRATE in plan.steps else ()
    opening = (Step.RELEASE,) if plan.holds else ()
    return tuple(map(Action, (*migrate, Step.SWITCH, Step.GATE, *opening, *_FINISH)))


def _images_back(plan: Plan) -> tuple[Action, ...]:
    # An installation that failed has nothing to go back to: nothing to pass the gate with.
    gate = [] if plan.kind is Kind.INSTALL else [Action(Step.GATE, Direction.UNDO)]
    opening = [Action(Step.RELEASE, Direction.UNDO)] if plan.holds else []
    return (Action(Step.SWITCH, Direction.UNDO), *gate, *opening)
