"""Tidy: what the operation left behind, and images, files and backups that nothing needs."""

from __future__ import annotations

from koprogo_agent.domain.machine import Truth
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.retention import superfluous


def do(job: Job) -> Facts:
    """Removes them; of images, only such as the agent brought."""
    for name in (job.operation.point, job.operation.aside):
        job.world.database.drop(job.database, name)
    needed = [one for one in (job.journal.installed, job.journal.previous) if one is not None]
    images = {pin.image for one in needed for pin in one.pins.values()}
    removed = [ref for ref in job.journal.images_brought() if ref not in images]
    for reference in removed:
        job.world.images.remove(reference)
        job.journal.forget_image(reference)
    kept = {one.tag for one in needed}
    for release in job.world.files.releases():
        if release not in kept:
            job.world.files.unstage(release)
    for dump in superfluous(job.world.files.backups(), job.settings.backup):
        job.world.files.forget_backup(dump.path)
    return {"images": len(removed)}


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """What nothing needed is not missed."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Removing what is gone already is success."""
    return Found(Truth.NOT_DONE)
