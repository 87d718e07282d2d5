"""The database on the way back: whatever felled it, nobody else is there to start it again."""

from __future__ import annotations

from dataclasses import replace

from koprogo_agent.domain.gate import Expectation
from koprogo_agent.errors import RetryLater, StepFailed
from koprogo_agent.update.job import Job, running_of
from koprogo_agent.update.looking import Look, gate_policy, wait_until_healthy


def revive_database(job: Job) -> None:
    """Starts the database if it has stopped, and waits until it is healthy.

    Users are shut out while the data goes back, so this must not wait for a person.

    Raises:
        RetryLater: it does not become healthy (code `database.down`).
    """
    project, service = job.settings.stack.project, job.settings.database.service
    if running_of(job, (service,)):
        return
    job.world.stack.start(project, (service,))
    look = Look(project, Expectation(frozenset({service})))
    policy = replace(gate_policy(job.settings), samples=1)
    try:
        wait_until_healthy(job.world, look, policy, job.watcher)
    except StepFailed as error:
        raise RetryLater(
            f"the database had stopped, and does not come up again: {error.message}",
            code="database.down",
            advice=f"see why: docker compose -p {project} logs {service}",
        ) from error
