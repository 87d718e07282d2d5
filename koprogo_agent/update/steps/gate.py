"""Gate: the stack must be healthy. An update and a way back pass the same one."""

from __future__ import annotations

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.machine import Truth
from koprogo_agent.domain.overlay import expectation
from koprogo_agent.update.job import Found, Job, closed_services, model_of, previous_of
from koprogo_agent.update.looking import Look, gate_policy, inside, outside, wait_until_healthy
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Waits until the target is healthy; notes PostgreSQL's count of writes at that moment."""
    seconds = look_at(job, job.target)
    fenced = job.operation.state.plan.fenced
    writes = job.world.database.writes(job.database) if fenced else None
    return {"seconds": seconds, "writes": writes}


def undo(job: Job) -> Facts:
    """Waits until what was there before is healthy again."""
    return {"seconds": look_at(job, previous_of(job))}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Health is of the moment: it is asked again."""
    return Found(Truth.NOT_DONE)


def look_at(job: Job, deployment: Deployment) -> float:
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
        database=job.database,
    )
    return wait_until_healthy(job.world, look, gate_policy(job.settings), job.watcher)
