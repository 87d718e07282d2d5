"""Rehearse: the release on a scratch copy of the real data, alone, before anything stops."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from koprogo_agent.domain.gate import Expectation, GatePolicy
from koprogo_agent.domain.overlay import rehearsal, services
from koprogo_agent.domain.plan import Migrates, Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import RetryLater, StepFailed
from koprogo_agent.ports import DatabaseAt, Project
from koprogo_agent.update.job import Found, Job, model_of
from koprogo_agent.update.looking import Look, examined, gate_policy, inside, wait_until_healthy
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.steps import backup, migrate

_FILE = "rehearsal.json"


def do(job: Job) -> Facts:
    """Restores the backup into a scratch server and starts the release's writers on it."""
    if not job.operation.fact(Step.BUDGET, "rehearse"):
        return {"left_out": "there is not enough disk for a rehearsal"}
    scratch = _project(job)
    job.world.stack.down(scratch.name)
    try:
        restored = _restore(job, scratch)
        return {"restore_seconds": restored} | _start(job, scratch)
    finally:
        _remove(job)


def undo(job: Job) -> Facts:
    """Removes the scratch server and all that ran beside it."""
    _remove(job)
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """A rehearsal that was cut short proves nothing."""
    return Found(Truth.NOT_DONE)


def _remove(job: Job) -> None:
    job.world.stack.down(_name(job))
    # It holds the values of the operator's env file.
    job.world.files.forget_override(_FILE)


def _name(job: Job) -> str:
    return f"{job.settings.stack.project}-rehearsal"


def _project(job: Job) -> Project:
    content = json.dumps(_model(job), indent=1, sort_keys=True).encode()
    path = job.world.files.write_override(_FILE, content)
    return Project(_name(job), path.parent, (path,))


def _model(job: Job) -> dict[str, Any]:
    rendered = model_of(job, job.target)
    pinned: dict[str, Mapping[str, Any]] = {
        name: {**service, "image": job.target.pins[name].image}
        for name, service in services(rendered).items()
    }
    names = dict.fromkeys(job.settings.stack.writers)
    if Migrates(job.settings.migration.kind) is not Migrates.AT_START:
        names = {job.settings.migration.service: None} | names
    return rehearsal({"services": pinned}, job.settings.database.service, tuple(names))


def _restore(job: Job, scratch: Project) -> float:
    database = job.settings.database.service
    began = job.world.clock.monotonic()
    look = Look(scratch.name, Expectation(frozenset({database})))
    try:
        job.world.stack.up(scratch, (database,))
        wait_until_healthy(job.world, look, _policy(job), job.watcher)
        _copy(job, scratch, job.operation.facts[Step.BACKUP])
    except StepFailed as error:
        # The scratch server holds nothing of the release yet: the release is not to blame.
        raise RetryLater(
            f"the rehearsal cannot be set up: {error.message}",
            code="rehearsal.unavailable",
            advice='see the message; to go without: rehearsal.when = "never"',
        ) from error
    return job.world.clock.monotonic() - began


def _copy(job: Job, scratch: Project, dump: Facts) -> None:
    at = DatabaseAt(scratch.name, job.settings.database.service)
    job.world.database.restore(
        at, backup.path_of(dump), lambda size: job.watcher.goes_on("restore", size, dump["bytes"])
    )


def _start(job: Job, scratch: Project) -> dict[str, float]:
    writers = job.settings.stack.writers
    clock = job.world.clock
    began = clock.monotonic()
    try:
        migrate.run(job, scratch)
        migrated = clock.monotonic() - began
        look = Look(
            scratch.name,
            Expectation(frozenset({*writers, job.settings.database.service})),
            inside=inside(job.settings, writers),
            examined=examined(job.settings, writers),
            database=DatabaseAt(scratch.name, job.settings.database.service),
        )
        job.world.stack.up(scratch, writers)
        gated = wait_until_healthy(job.world, look, _policy(job), job.watcher)
    except StepFailed as error:
        raise StepFailed(
            f"the rehearsal on a copy of the data failed: {error.message}",
            code="rehearsal.failed",
            advice="nothing was stopped; report this to the association",
        ) from error
    # The samples that the gate asks for after the first good one are no part of the start.
    started = max(0.0, gated - _policy(job).settled)
    return {"migrate_seconds": migrated, "start_seconds": started}


def _policy(job: Job) -> GatePolicy:
    policy = gate_policy(job.settings)
    return replace(policy, max_deadline=max(policy.deadline, job.settings.rehearsal.timeout))
