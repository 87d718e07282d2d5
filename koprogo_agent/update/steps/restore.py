"""Restore: a backup takes the place of the database, which is put aside."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.domain.machine import Truth
from koprogo_agent.domain.plan import Step
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Puts the chosen backup in place."""
    chosen = Path(job.operation.fact(Step.RESTORE, "from"))
    job.world.database.replace(job.database, chosen, job.operation.point)
    return {"from": str(chosen)}


def undo(job: Job) -> Facts:
    """Puts back what was there."""
    job.world.database.swap_back(job.database, job.operation.point, job.operation.aside)
    return {}


def probe(job: Job) -> Found:
    """Whether the old data was put aside, which happens in the transaction of the exchange."""
    exchanged = job.world.database.has_database(job.database, job.operation.point)
    return Found(Truth.DONE if exchanged else Truth.NOT_DONE, job.operation.facts[Step.RESTORE])
