"""Soak: watching after the commit, in slices, so that the agent does other things in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.errors import StepFailed
from koprogo_agent.update.asked import operators_own, services_asked_for
from koprogo_agent.update.job import Found, Job
from koprogo_agent.update.looking import paused_in
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.steps.gate import look_at


def do(job: Job) -> Facts | None:
    """One look: the stack is healthy now, or becomes so before the gate's deadline."""
    soak = job.settings.soak
    ends = _began(job) + timedelta(seconds=soak.duration)
    # Should the clock be set back, what is left cannot be more than the whole.
    left = min((ends - job.world.clock.now()).total_seconds(), soak.duration)
    if left <= 0:
        return {"seconds": soak.duration}
    job.watcher.goes_on(f"{left:.0f} s left", 0, 0)
    if paused_in(job.world.stack.containers(job.settings.stack.project), job.target.pins):
        return None  # a person is at work on the stack: health tells, and nothing is taken back
    _check_restarts(job)
    look_at(_once(job), job.target)
    return None


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """Watching changes nothing."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """It goes on where its time is."""
    return Found(Truth.NOT_DONE)


def _began(job: Job) -> datetime:
    return datetime.fromisoformat(job.operation.facts[Step.COMMIT]["at"])


def _once(job: Job) -> Job:
    """In the soak, one good sample a slice is enough; a bad one has the whole gate to recover."""
    gate = job.settings.gate.model_copy(update={"samples": 1})
    return replace(job, settings=job.settings.model_copy(update={"gate": gate}))


def _check_restarts(job: Job) -> None:
    """What the operator runs besides is theirs, in an override file as well as in another."""
    before: dict[str, int] = job.operation.facts[Step.COMMIT]["restarts"]
    asked = services_asked_for(job.world, job.settings, job.target)
    names = asked - operators_own(job, job.target)
    for container in job.world.stack.containers(job.settings.stack.project):
        risen = container.restarts - before.get(container.id, container.restarts)
        if container.service in names and risen > job.settings.gate.max_restarts:
            raise StepFailed(
                f"{container.service} has restarted {risen} times since the update",
                code="soak.restarts",
            )
