"""Point: a copy of the database inside PostgreSQL, to which the way back is two renames."""

from __future__ import annotations

from koprogo_agent.domain.states import Truth
from koprogo_agent.update.job import Found, Job, close, users_come_in
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.reviving import revive_database


def do(job: Job) -> Facts:
    """Makes the point, unless a try before this one has."""
    point = job.operation.point
    job.journal.note_scratch((point, job.operation.aside))
    close(job)  # it stands already, unless a reboot has opened it
    if not (job.operation.state.tries and _made_by_an_earlier_try(job)):
        job.world.database.make_point(job.database, point)
    return {"name": point}


def _made_by_an_earlier_try(job: Job) -> bool:
    """Asked only where there was one: users wait for each question."""
    revive_database(job)
    return job.world.database.has_database(job.database, job.operation.point)


def undo(job: Job) -> Facts:
    """Swaps it back; what the failed release made of the data is put aside until all is tidy."""
    return swap_back(job)


def swap_back(job: Job) -> Facts:
    """Puts the data of before in its place, unless users may have written to what is there."""
    revive_database(job)
    point, aside = job.operation.point, job.operation.aside
    if users_come_in(job) and job.world.database.has_database(job.database, point):
        return {"wrote": True}
    job.world.database.swap_back(job.database, point, aside)
    return {}


def probe(job: Job) -> Found:
    """Whether the point exists, whole."""
    exists = job.world.database.has_database(job.database, job.operation.point)
    facts = {"name": job.operation.point} if exists else {}
    return Found(Truth.DONE if exists else Truth.NOT_DONE, facts)
