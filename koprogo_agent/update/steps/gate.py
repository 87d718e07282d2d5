"""Gate: the stack must be healthy. An update and a way back pass the same one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import structlog

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.hold import Way
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Course, Truth
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import NO_CONNECTION
from koprogo_agent.update.asked import operators_own
from koprogo_agent.update.holding import (
    closed_services,
    hold_stands,
    keep_rooms,
    users_come_in,
    users_wait,
    way_in_force,
)
from koprogo_agent.update.job import (
    Found,
    Job,
    left_alone,
    previous_of,
)
from koprogo_agent.update.looking import (
    FALLEN,
    Look,
    Opened,
    closed_gate_policy,
    examined,
    gate_policy,
    inside,
    outside,
    wait_until_healthy,
)
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.operator_files import expected_of, expected_without_files
from koprogo_agent.update.steps.switch import start_again

log = structlog.get_logger()

_FELLED = "gate_felled"
"""The operation at whose gate something fell that it leaves alone, and felled what needs it."""


def do(job: Job) -> Facts:
    """Waits until the target is healthy; marks how much was written until then."""
    opened = look_at(job, job.target)
    # A mark that users may already have moved is no measure of whether they have written.
    held = job.operation.state.plan.rewinds_data and not users_come_in(job)
    return _facts(opened) | {"mark": _mark(job) if held else None}


def undo(job: Job) -> Facts:
    """Waits until what was there before is healthy again."""
    return _facts(look_at(job, previous_of(job)))


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Health is of the moment: it is asked again."""
    return Found(Truth.NOT_DONE)


def _fresh(job: Job) -> frozenset[str]:
    """The services that this operation exchanged, while nothing else can have felled them.

    The engine starts what fails ever more seldom. An agent that was killed in the gate would else
    count from the beginning, and users wait for it.
    """
    felled = job.journal.get(int, _FELLED) == job.operation.id
    if felled or job.operation.state.course is not Course.FORWARD or not hold_stands(job):
        return frozenset()
    return frozenset(job.target.pins) - left_alone(job)


def _mark(job: Job) -> str | None:
    """How much was written until now; None where what passed its gate holds all connections.

    It is no reason to take it back. Not knowing counts as written: the data then stays.
    """
    try:
        return job.world.database.write_mark(job.database)
    except RetryLater as error:
        if error.code != NO_CONNECTION:
            raise
        log.warning("gate.no_mark", why=error.message)
        return None


def look_at(job: Job, deployment: Deployment) -> Opened:
    """Waits until the deployment is healthy; asked as users ask where they come in."""
    closed = closed_services(job)
    missing: NeedsOperator | None = None
    try:
        start_again(job, deployment)
    except NeedsOperator as error:
        missing, expected = error, expected_without_files(job, deployment, closed, error)
    else:
        expected = expected_of(job, deployment, closed)
    # A hold that was cut short has noted no way yet; whoever asked through its room would wait too.
    rooms = job.world.rooms.seen(job.settings.stack.project)
    in_use = way_in_force(job) in {Way.AWAY, Way.IN_USE} and not rooms
    look = Look(
        project=job.settings.stack.project,
        expected=replace(expected, fresh=_fresh(job)),
        inside=inside(job.settings, expected.running),
        outside=outside(job.settings) if in_use else (),
        examined=examined(job.settings, expected.running),
        unchanged=left_alone(job),
        own=operators_own(job, deployment),
        database=job.database,
        meanwhile=partial(keep_rooms, job),
    )
    policy = closed_gate_policy(job.settings) if users_wait(job) else gate_policy(job.settings)
    try:
        return wait_until_healthy(job.world, look, policy, job.watcher)
    except RetryLater as error:
        if error.code == FALLEN:
            job.journal.put(_FELLED, job.operation.id)
        raise
    except StepFailed:
        if missing is not None and _is_way_back(job):
            # What has fallen can be started once the file is there again: it is waited for.
            raise missing from None
        raise


def _is_way_back(job: Job) -> bool:
    operation = job.operation
    return operation.state.course is not Course.FORWARD or operation.kind is Kind.HEAL


def _facts(opened: Opened) -> dict[str, object]:
    return {"seconds": opened.seconds, "since": opened.since.isoformat()}
