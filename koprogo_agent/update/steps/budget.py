"""Budget: disk for all that is written, and a database that can be copied, asked before it is."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.domain.overlay import repository
from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.preconditions import check_point

_MARGIN = 256 * 1024**2
_UNKNOWN_IMAGE = 512 * 1024**2
_SCRATCH_SERVER = 128 * 1024**2


def do(job: Job) -> Facts:
    """Compares what the plan will write with what is free, and has the database speak up.

    A rehearsal for which there is no room is left out and said so; the rest is not optional.
    """
    check_point(job)
    steps = job.operation.state.plan.steps
    database = job.world.database.size(job.database) if Step.BACKUP in steps else 0
    engine = job.world.images.root()
    backups = job.settings.backup.directory
    needs = {
        engine: _images(job) + (database if Step.POINT in steps else 0),
        backups: database if Step.BACKUP in steps else 0,
    }
    rehearsal = database + _SCRATCH_SERVER if Step.REHEARSE in steps else 0
    short = _lacking(job, needs)
    if short is not None:
        raise short
    roomy = _lacking(job, needs | {engine: needs[engine] + rehearsal}) is None
    return {
        "database": database,
        "needed": sum(needs.values()) + (rehearsal if roomy else 0),
        "free": job.world.files.free_bytes(engine),
        "rehearse": roomy,
    }


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """There is nothing to take back."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """What was free before a crash may not be now."""
    return Found(Truth.NOT_DONE)


def _images(job: Job) -> int:
    """Bytes that the images will need: as many as the ones of the same repositories have now."""
    old = job.operation.previous.pins if job.operation.previous else {}
    sizes = {}
    for name, pin in job.target.pins.items():
        if pin.image in sizes or job.world.images.find(pin.image) is not None:
            continue
        before = old.get(name)
        same = before is not None and repository(before.image) == repository(pin.image)
        known = job.world.images.find(before.image) if before is not None and same else None
        sizes[pin.image] = known.size if known else _UNKNOWN_IMAGE
    return sum(sizes.values())


def _lacking(job: Job, needs: dict[Path, int]) -> NeedsOperator | None:
    """The error for the first file system that is too full; folders of one are added up."""
    totals: dict[int, tuple[Path, int]] = {}
    for path, needed in needs.items():
        # Two folders with exactly as much free space are taken for one file system: at worst the
        # agent asks for a little more than it needs.
        free = job.world.files.free_bytes(path)
        _, sum_so_far = totals.get(free, (path, 0))
        totals[free] = (path, sum_so_far + needed)
    for free, (path, needed) in totals.items():
        if needed and free < needed + _MARGIN:
            return NeedsOperator(
                f"{job.operation.tag} needs {_mb(needed + _MARGIN)} of disk at {path};"
                f" {_mb(free)} are free",
                code="disk.too_little",
                advice=f"free some space there; to see what takes it: du -xh {path} | sort -h",
            )
    return None


def _mb(size: int) -> str:
    return f"{size / 1024**2:.0f} MB"
