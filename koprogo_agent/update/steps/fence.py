"""Fence: ingress and writers stop, so that no user write can be lost from here on."""

from __future__ import annotations

from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Course, Truth
from koprogo_agent.update.job import Found, Job, close, running_of, users_come_in
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.reviving import revive_database


def do(job: Job) -> Facts:
    """Stops ingress and writers; on the way back, it also says whether users have written."""
    state = job.operation.state
    breached = not state.opened and users_come_in(job)
    close(job)
    if state.course is not Course.BACK:
        return {}
    revive_database(job)
    return {"wrote": breached or (state.opened and _wrote(job))}


def undo(job: Job) -> Facts:
    """Starts what was stopped: writers first, then the ingress."""
    stack = job.settings.stack
    job.world.stack.start(stack.project, stack.writers)
    job.world.stack.start(stack.project, stack.ingress)
    return {}


def probe(job: Job) -> Found:
    """Whether none of them runs."""
    stack = job.settings.stack
    running = running_of(job, (*stack.ingress, *stack.writers))
    return Found(Truth.NOT_DONE if running else Truth.DONE)


def _wrote(job: Job) -> bool:
    """Not knowing counts as yes: restoring the point would lose what may be there."""
    mark = job.operation.fact(Step.GATE, "mark")
    return mark is None or job.world.database.wrote_since(job.database, mark)
