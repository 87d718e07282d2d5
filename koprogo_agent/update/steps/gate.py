"""Gate: the stack must be healthy. An update and a way back pass the same one."""

from __future__ import annotations

from koprogo_agent.domain.deployment import Deployment, unchanged_services
from koprogo_agent.domain.overlay import expectation, override
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Truth
from koprogo_agent.update.job import (
    PINS,
    Found,
    Job,
    closed_services,
    laid_project,
    model_of,
    previous_of,
    users_come_in,
)
from koprogo_agent.update.looking import (
    Look,
    closed_gate_policy,
    examined,
    gate_policy,
    inside,
    outside,
    wait_until_healthy,
)
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Waits until the target is healthy; marks how much was written until then."""
    seconds = look_at_target(job)
    # A mark that users may already have moved is no measure of whether they have written.
    closed = job.operation.state.plan.fenced and not users_come_in(job)
    mark = job.world.database.write_mark(job.database) if closed else None
    return {"seconds": seconds, "mark": mark}


def undo(job: Job) -> Facts:
    """Waits until what was there before is healthy again."""
    start_again(job, previous_of(job))
    return {"seconds": _look_at(job, previous_of(job))}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Health is of the moment: it is asked again."""
    return Found(Truth.NOT_DONE)


def start_again(job: Job, deployment: Deployment) -> None:
    """What lies as a power cut felled it, such as a one-shot, is not the release's fault."""
    if job.operation.state.tries:
        names = [name for name in deployment.pins if name not in closed_services(job)]
        pins = job.world.files.write_override(PINS, override(deployment.pins))
        job.world.stack.up(laid_project(job, deployment, pins), names)


def left_alone(job: Job) -> frozenset[str]:
    """The services that the target does not exchange: what falls of them is not put down to it.

    None in healing, which exchanges nothing: what has fallen is the matter there.
    """
    if job.operation.kind is Kind.HEAL:
        return frozenset()
    return unchanged_services(job.operation.previous, job.target)


def look_at_target(job: Job) -> float:
    """Seconds until the target was healthy."""
    start_again(job, job.target)
    return _look_at(job, job.target, left_alone(job))


def _look_at(job: Job, deployment: Deployment, unchanged: frozenset[str] = frozenset()) -> float:
    """Seconds until the deployment was healthy, the ingress left out while it is closed."""
    closed = closed_services(job)
    model = model_of(job, deployment)
    expected = expectation(model, closed)
    probes = inside(job.settings, expected.running)
    look = Look(
        project=job.settings.stack.project,
        expected=expected,
        inside=probes,
        outside=() if closed else tuple(p for p in outside(job.settings) if p not in probes),
        examined=examined(job.settings, expected.running),
        unchanged=unchanged,
        database=job.database,
    )
    policy = closed_gate_policy(job.settings) if closed else gate_policy(job.settings)
    return wait_until_healthy(job.world, look, policy, job.watcher)
