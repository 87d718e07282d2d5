"""Commit: this is what runs now; the floor rises, and the last good release is kept."""

from __future__ import annotations

from koprogo_agent.domain.states import Truth
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Writes it down, with the restart counts from which the soak counts."""
    before = job.operation.previous
    same = before is not None and before.tag == job.target.tag
    job.journal.commit(job.target, job.journal.previous if same else before)
    containers = job.world.stack.containers(job.settings.stack.project)
    return {
        "at": job.world.clock.now().isoformat(),
        "restarts": {one.id: one.restarts for one in containers},
    }


def undo(job: Job) -> Facts:
    """What ran before is what is installed; the floor stays: it never falls."""
    job.journal.put_back(job.operation.previous)
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Writing it down twice is the same as once."""
    return Found(Truth.NOT_DONE)
