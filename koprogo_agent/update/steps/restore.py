"""Restore: a backup takes the place of the database, which is put aside."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.ports import Unrestorable
from koprogo_agent.update.holding import hold_again
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.restoring import note_refused, note_restored
from koprogo_agent.update.reviving import revive_database
from koprogo_agent.update.steps.point import swap_back


def do(job: Job) -> Facts:
    """Puts the chosen backup in place, unless a try before this one has."""
    chosen = Path(job.operation.fact(Step.RESTORE, "from"))
    point = job.operation.point
    job.journal.note_scratch((point, job.operation.aside))
    runs = hold_again(job)
    if not job.world.database.has_database(job.database, point):
        try:
            job.world.database.replace(
                job.database, chosen, point, lambda size: job.watcher.goes_on("restore", size, 0)
            )
        except Unrestorable as error:
            note_refused(job, chosen, error)
            raise
        note_restored(job, chosen)
    return {"from": str(chosen), "runs": runs}


def undo(job: Job) -> Facts:
    """Puts back what was there, if it was exchanged at all."""
    revive_database(job)
    names = (job.operation.point, job.operation.aside)
    if not any(job.world.database.has_database(job.database, name) for name in names):
        return {}
    return swap_back(job)


def probe(job: Job) -> Found:
    """Whether the old data was put aside, which happens in the transaction of the exchange."""
    exchanged = job.world.database.has_database(job.database, job.operation.point)
    return Found(Truth.DONE if exchanged else Truth.NOT_DONE, job.operation.facts[Step.RESTORE])
