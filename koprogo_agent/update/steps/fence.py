"""Fence: ingress and writers stop, so that no user write can be lost from here on."""

from __future__ import annotations

from koprogo_agent.domain.machine import Course, Truth
from koprogo_agent.domain.plan import Step
from koprogo_agent.update.job import Found, Job, opened_services
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Stops the ingress first, so that requests under way still find a backend, then writers.

    On the way back after users were let in, it also says whether they have written.
    """
    stack = job.settings.stack
    job.world.stack.stop(stack.project, stack.ingress)
    job.world.stack.stop(stack.project, stack.writers)
    state = job.operation.state
    if state.course is Course.BACK and state.opened:
        return {"wrote": _wrote(job)}
    return {}


def undo(job: Job) -> Facts:
    """Starts what was stopped: writers first, then the ingress."""
    stack = job.settings.stack
    job.world.stack.start(stack.project, stack.writers)
    job.world.stack.start(stack.project, stack.ingress)
    return {}


def probe(job: Job) -> Found:
    """Whether none of them runs."""
    running = opened_services(job)
    return Found(Truth.NOT_DONE if running else Truth.DONE)


def _wrote(job: Job) -> bool:
    """Not knowing counts as yes: restoring the point would lose what may be there."""
    before = job.operation.fact(Step.GATE, "writes")
    return before is None or job.world.database.writes(job.database) != before
