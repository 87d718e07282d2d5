"""Point: a copy of the database inside PostgreSQL, to which the way back is two renames."""

from __future__ import annotations

from koprogo_agent.domain.machine import Truth
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Makes the point."""
    job.world.database.make_point(job.database, job.operation.point)
    return {"name": job.operation.point}


def undo(job: Job) -> Facts:
    """Swaps it back; what the failed release made of the data is put aside until all is tidy."""
    job.world.database.swap_back(job.database, job.operation.point, job.operation.aside)
    return {}


def probe(job: Job) -> Found:
    """Whether the point exists, whole."""
    exists = job.world.database.has_database(job.database, job.operation.point)
    facts = {"name": job.operation.point} if exists else {}
    return Found(Truth.DONE if exists else Truth.NOT_DONE, facts)
