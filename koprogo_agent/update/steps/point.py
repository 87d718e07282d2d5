"""Point: a copy of the database inside PostgreSQL, to which the way back is two renames."""

from __future__ import annotations

from koprogo_agent.domain.states import Truth
from koprogo_agent.update.holding import (
    hold_again,
    hold_stands,
    note_nothing_safe,
    runs_of,
    users_come_in,
)
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.reviving import revive_database


def do(job: Job) -> Facts:
    """Makes the point, unless a try before this one has."""
    point = job.operation.point
    job.journal.note_scratch((point, job.operation.aside))
    first = not job.operation.state.tries
    stale = not first and users_come_in(job)
    # The step before has closed the doors a moment ago. Users wait for each question.
    runs = runs_of(job) if first and hold_stands(job) else hold_again(job)
    if first:
        job.world.database.make_point(job.database, point)
        note_nothing_safe(job)
        return {"name": point, "runs": runs}
    revive_database(job)
    if stale:
        # They may have written since; nothing was migrated yet, so another copy is as good.
        job.world.database.drop(job.database, point)
    if not job.world.database.has_database(job.database, point):
        job.world.database.make_point(job.database, point)
    note_nothing_safe(job)
    return {"name": point, "runs": runs}


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


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """It is done again: that finds a point that is there, and makes sure that nobody writes."""
    return Found(Truth.NOT_DONE)
