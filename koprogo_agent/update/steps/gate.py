"""Gate: the stack must be healthy. An update and a way back pass the same one."""

from __future__ import annotations

from functools import partial

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.hold import Way
from koprogo_agent.domain.overlay import expectation
from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.holding import (
    closed_services,
    keep_rooms,
    users_come_in,
    users_wait,
    way_in_force,
)
from koprogo_agent.update.job import Found, Job, left_alone, model_of, previous_of
from koprogo_agent.update.looking import (
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
from koprogo_agent.update.operator_files import expected_without_files, files_are_there
from koprogo_agent.update.steps.switch import start_again


def do(job: Job) -> Facts:
    """Waits until the target is healthy; marks how much was written until then."""
    opened = look_at(job, job.target)
    # A mark that users may already have moved is no measure of whether they have written.
    held = job.operation.state.plan.rewinds_data and not users_come_in(job)
    mark = job.world.database.write_mark(job.database) if held else None
    return _facts(opened) | {"mark": mark}


def undo(job: Job) -> Facts:
    """Waits until what was there before is healthy again."""
    return _facts(look_at(job, previous_of(job)))


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Health is of the moment: it is asked again."""
    return Found(Truth.NOT_DONE)


def look_at(job: Job, deployment: Deployment) -> Opened:
    """Waits until the deployment is healthy; asked as users ask where they come in."""
    closed = closed_services(job)
    try:
        start_again(job, deployment)
        expected = expectation(model_of(job, deployment), closed)
    except NeedsOperator as error:
        expected = expected_without_files(job, deployment, closed, error)
    else:
        files_are_there(job)
    in_use = way_in_force(job) in {Way.AWAY, Way.IN_USE}
    look = Look(
        project=job.settings.stack.project,
        expected=expected,
        inside=inside(job.settings, expected.running),
        outside=outside(job.settings) if in_use else (),
        examined=examined(job.settings, expected.running),
        unchanged=left_alone(job),
        database=job.database,
        meanwhile=partial(keep_rooms, job),
    )
    policy = closed_gate_policy(job.settings) if users_wait(job) else gate_policy(job.settings)
    return wait_until_healthy(job.world, look, policy, job.watcher)


def _facts(opened: Opened) -> dict[str, object]:
    return {"seconds": opened.seconds, "since": opened.since.isoformat()}
