"""Tidy: what the operation left behind, and images, files and backups that nothing needs."""

from __future__ import annotations

from collections.abc import Iterable

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.states import Truth
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.retention import superfluous
from koprogo_agent.update.scratch import drop_scratch


def do(job: Job) -> Facts:
    """Removes them; of images, only such as the agent brought."""
    drop_scratch(job.world, job.settings, job.journal)
    needed = [one for one in (job.journal.installed, job.journal.previous) if one is not None]
    removed = _superfluous_images(job, needed)
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


def _superfluous_images(job: Job, needed: Iterable[Deployment]) -> list[str]:
    """Those that the agent brought and no needed deployment runs, however it writes them."""
    find = job.world.images.find
    local = [find(pin.reference) for one in needed for pin in one.pins.values()]
    ids = {image.id for image in local if image is not None}
    brought = {reference: find(reference) for reference in job.journal.images_brought()}
    return [reference for reference, image in brought.items() if not image or image.id not in ids]


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """What nothing needed is not missed."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Removing what is gone already is success."""
    return Found(Truth.NOT_DONE)
