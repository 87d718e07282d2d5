"""Migrate: the release's migrations, where they are not part of the backend's own start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from koprogo_agent.domain.gate import Expectation
from koprogo_agent.domain.plan import Kind, Migrates
from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import StepFailed
from koprogo_agent.ports import Project
from koprogo_agent.update.candidate import candidate_project
from koprogo_agent.update.holding import keep_rooms
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.looking import Look, gate_policy, wait_until_healthy
from koprogo_agent.update.networks import settle_networks
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.reviving import revive_database

_TAIL = 300


def do(job: Job) -> Facts:
    """Runs them on the real data, with the files and images of the release."""
    with candidate_project(job) as project:
        if job.operation.kind is Kind.INSTALL:
            _start_database(job, project)
        else:
            # Compose would make a network anew for the migration's container, and for no other.
            settle_networks(job, job.target)
            revive_database(job)
        began = job.world.clock.monotonic()
        run(job, project, partial(keep_rooms, job))
        return {"seconds": job.world.clock.monotonic() - began}


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """The rollback point undoes migrations."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Nobody can tell how far a migration of another program came: the point goes back."""
    return Found(Truth.UNCLEAR)


def run(job: Job, project: Project, meanwhile: Callable[[], None] | None = None) -> None:
    """Runs the migrations in a project: the real one, or that of the rehearsal.

    Args:
        job: the operation.
        project: where they run.
        meanwhile: what is to be kept up as long as they take; called again and again.

    Raises:
        StepFailed: they failed or did not end in time.
    """
    migration = job.settings.migration
    if Migrates(migration.kind) is Migrates.AT_START:
        return

    def goes_on() -> None:
        job.watcher.goes_on("migration", 0, 0)
        if meanwhile is not None:
            meanwhile()

    result = job.world.stack.run(
        project,
        migration.service,
        migration.command,
        migration.timeout,
        goes_on,
    )
    if result.exit_code:
        raise StepFailed(
            f"the migration exited {result.exit_code}: {result.output.strip()[-_TAIL:]}",
            code="migration.failed",
        )


def _start_database(job: Job, project: Project) -> None:
    service = job.settings.database.service
    job.world.stack.up(project, (service,))
    look = Look(project.name, Expectation(frozenset({service})))
    wait_until_healthy(job.world, look, gate_policy(job.settings), job.watcher)
