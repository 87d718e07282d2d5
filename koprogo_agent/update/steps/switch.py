"""Switch: the files and containers of one deployment take the place of another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from koprogo_agent.domain.deployment import Deployment, ServicePin
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.overlay import RELEASE_LABEL, awaited, expectation, levels, override
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Truth
from koprogo_agent.update.job import PINS, Found, Job, closed_services, laid_project, model_of
from koprogo_agent.update.looking import Look, gate_policy, wait_until_healthy
from koprogo_agent.update.operation import Facts


def do(job: Job) -> Facts:
    """Brings up the target."""
    return _apply(job, job.target, job.operation.previous)


def undo(job: Job) -> Facts:
    """Brings up what was there before; where nothing was, stops what the target started."""
    previous = job.operation.previous
    if previous is None or job.operation.kind is Kind.INSTALL:
        job.world.stack.discard(job.settings.stack.project, sorted(job.target.pins))
        return {}
    _fetch_pruned(job, previous)
    return _apply(job, previous, job.target)


def probe(job: Job) -> Found:
    """Whether the target's files are laid and its containers made from its images."""
    files_laid = job.world.files.laid() == job.target.tag
    containers = {
        one.service: one for one in job.world.stack.containers(job.settings.stack.project)
    }
    expected = set(job.target.pins) - closed_services(job)
    ending = expectation(model_of(job, job.target)).ending
    as_pinned = expected <= containers.keys() and all(
        _is_as_pinned(containers[name], job.target.pins[name], may_end=name in ending)
        for name in expected
    )
    return Found(Truth.DONE if files_laid and as_pinned else Truth.NOT_DONE)


def _is_as_pinned(container: Container, pin: ServicePin, *, may_end: bool) -> bool:
    up = container.state == "running"
    ended = may_end and container.state == "exited" and container.exit_code == 0
    made_so = (container.image, container.labels.get(RELEASE_LABEL)) == (pin.image, pin.release)
    return made_so and (up or ended)


def _fetch_pruned(job: Job, deployment: Deployment) -> None:
    """An image without a container may have been pruned by somebody a moment ago."""
    for image in sorted({pin.image for pin in deployment.pins.values()}):
        if job.world.images.find(image) is None:
            job.world.images.pull(
                image,
                lambda progress: job.watcher.goes_on(
                    progress.reference, progress.received, progress.total
                ),
            )


def _apply(job: Job, deployment: Deployment, other: Deployment | None) -> Facts:
    """Lays the files, then starts level by level: what others need is ready before they start.

    Users notice how long the writers take. While they are in, what needs a writer is exchanged
    before it, so that nothing disturbs its start; while they are shut out, it follows while the
    writer comes up.
    """
    began = job.world.clock.monotonic()
    job.world.files.lay(deployment.tag)
    pins = job.world.files.write_override(PINS, override(deployment.pins))
    project = laid_project(job, deployment, pins)
    model = model_of(job, deployment)
    closed, writers = closed_services(job), job.settings.stack.writers
    names = [name for name in deployment.pins if name not in closed]
    order = levels(model, names, last=() if closed else writers)
    for index, level in enumerate(order):
        job.world.stack.up(project, level)
        later = [name for after in order[index + 1 :] for name in after]
        _await(job, project.name, model, awaited(model, level, later, writers))
    dropped = sorted(set(other.pins) - set(deployment.pins)) if other else []
    if dropped:
        job.world.stack.discard(project.name, dropped)
    return {"seconds": job.world.clock.monotonic() - began}


def _await(job: Job, project_name: str, model: Mapping[str, Any], names: frozenset[str]) -> None:
    """Waits until these services are ready."""
    if names:
        look = Look(project_name, expectation(model, set(model["services"]) - names))
        policy = replace(gate_policy(job.settings), samples=1)
        wait_until_healthy(job.world, look, policy, job.watcher)
