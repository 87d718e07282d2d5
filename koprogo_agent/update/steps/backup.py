"""Backup: an online dump, read back whole, before anything stops. It is kept whatever follows."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import RetryLater, StepFailed
from koprogo_agent.ports import Dump
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Dumps and verifies."""
    previous = job.operation.previous
    label = f"update-{job.operation.id}-{previous.tag if previous else 'none'}"
    target = job.world.files.backup_path(label)
    began = job.world.clock.monotonic()
    dump = job.world.database.dump(
        job.database, target, lambda size: job.watcher.goes_on("dump", size, 0)
    )
    try:
        job.world.database.verify(
            job.database, dump.path, lambda size: job.watcher.goes_on("verify", size, dump.size)
        )
    except StepFailed as error:
        # A dump that cannot be read is no fault of the release.
        raise RetryLater(error.message, code=error.code, advice=error.advice) from error
    return {**_facts(dump), "seconds": job.world.clock.monotonic() - began}


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """A backup is never taken back."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Users have written since: it is made anew."""
    return Found(Truth.NOT_DONE)


def _facts(dump: Dump) -> Facts:
    return {"path": str(dump.path), "bytes": dump.size, "sha256": dump.sha256}


def path_of(facts: Facts) -> Path:
    """Where the backup lies that these facts speak of."""
    return Path(facts["path"])
