"""Rehearse: the release on a scratch copy of the real data, alone, before anything stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from koprogo_agent.domain.deployment import changes_schema, old_works_on
from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import RetryLater, StepFailed
from koprogo_agent.ports import Unrestorable
from koprogo_agent.update.job import Found, Job, previous_of
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.restoring import note_refused, note_restored
from koprogo_agent.update.scratch_stack import (
    ScratchStack,
    not_the_release,
    scratch_name,
    unavailable,
)
from koprogo_agent.update.steps import backup, migrate

_FILE = "rehearsal.json"
_OLD_FILE = "rehearsal-old.json"
_NOT_YET = frozenset({"database.starting", "database.down"})
_QUICK = 0.25


def do(job: Job) -> Facts:
    """Restores the backup into a scratch stack and starts the release's writers in it."""
    if not job.operation.fact(Step.BUDGET, "rehearse"):
        return {"left_out": "there is not enough disk for a rehearsal"}
    if spaces := job.world.database.tablespaces(job.database):
        raise unavailable(f"the database has a tablespace, {spaces[0]}, which a backup cannot hold")
    job.world.stack.down(scratch_name(job))
    try:
        tree = str(job.world.files.staged_path(job.target.tag, "x").parent)
        stack = ScratchStack.of(job, job.target, tree, _FILE)
        facts = _rehearse(job, stack)
        return {**facts, **(_measure_works_with(job, stack) if _is_claimed(job) else {})}
    finally:
        _remove(job)


def undo(job: Job) -> Facts:
    """Removes the scratch stack."""
    _remove(job)
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """A rehearsal that was cut short proves nothing."""
    return Found(Truth.NOT_DONE)


def _remove(job: Job) -> None:
    job.world.stack.down(scratch_name(job))
    # They hold the values of the operator's env file.
    for file in (_FILE, _OLD_FILE):
        job.world.files.forget_override(file)


def _rehearse(job: Job, stack: ScratchStack) -> Facts:
    clock = job.world.clock
    began = clock.monotonic()
    with _blaming("the rehearsal on a copy of the data failed", "rehearsal.failed"):
        for level in stack.model.before:
            stack.bring(level)
            if stack.database.service in level:
                _restore(job, stack)
        restored = clock.monotonic()
        migrate.run(job, stack.project)
        for level in stack.model.after:
            stack.bring(level)
        migrated = clock.monotonic()
        gated = stack.start_writers()
    return {
        "restore_seconds": restored - began,
        "migrate_seconds": migrated - restored,
        # The samples that the gate asks for after the first good one are no part of the start.
        "start_seconds": max(0.0, gated - stack.policy.settled),
    }


def _restore(job: Job, stack: ScratchStack) -> None:
    """Fills the scratch database; what fails here is nothing of the release."""
    dump = backup.path_of(job.operation.facts[Step.BACKUP])
    with not_the_release():
        try:
            _restore_once_open(job, stack)
        except Unrestorable as error:
            if _is_same_server(job):
                note_refused(job, dump, error)
            raise unavailable(error, error.advice) from error
        note_restored(job, dump)
        job.world.database.copy_settings(job.database, stack.database)


def _is_same_server(job: Job) -> bool:
    """Whether the rehearsal has production's image of PostgreSQL; another may refuse what it takes.

    What is noted keeps a backup from being restored.
    """
    before, service = job.operation.previous, job.settings.database.service
    return before is not None and before.pins.get(service) == job.target.pins.get(service)


def _restore_once_open(job: Job, stack: ScratchStack) -> None:
    """Restores as soon as the server is the real one, and not the one that sets it up."""
    dump = job.operation.facts[Step.BACKUP]
    until = job.world.clock.monotonic() + stack.policy.deadline
    while True:
        try:
            job.world.database.restore(
                stack.database,
                backup.path_of(dump),
                lambda size: job.watcher.goes_on("restore", size, dump["bytes"]),
            )
        except RetryLater as error:
            if error.code not in _NOT_YET or job.world.clock.monotonic() >= until:
                raise
            job.world.clock.wait(_QUICK)
        else:
            return


def _is_claimed(job: Job) -> bool:
    """Whether the release changes the schema and claims that what is installed works on it."""
    before = job.operation.previous
    return changes_schema(before, job.target) and old_works_on(before, job.target)


def _measure_works_with(job: Job, stack: ScratchStack) -> Facts:
    """Starts the installed version on the migrated copy; it must pass the same gate there."""
    previous = previous_of(job)
    claim = f"{job.target.tag} claims that {previous.tag} works on its schema"
    stack.stop_writers()
    # The files of the installed version are those that lie in the stack's folder.
    laid = str(job.settings.stack.directory)
    old = ScratchStack.of(job, previous, laid, _OLD_FILE)
    with not_the_release():
        for level in (*old.model.before, *old.model.after):
            old.bring([name for name in level if name != old.database.service])
    with _blaming(f"{claim}, but it does not start on it", "rehearsal.works_with_false"):
        gated = old.start_writers()
    return {"works_with": previous.tag, "old_start_seconds": max(0.0, gated - old.policy.settled)}


@contextmanager
def _blaming(what: str, code: str) -> Iterator[None]:
    """What the release fails inside is said in these words."""
    try:
        yield
    except StepFailed as error:
        raise StepFailed(
            f"{what}: {error.message}",
            code=code,
            advice="nothing was stopped; report this to the association",
        ) from error
