"""Switch: the files and containers of one deployment take the place of another's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.host import in_the_way
from koprogo_agent.domain.overlay import (
    awaited,
    expectation,
    followers,
    is_made_of,
    joined,
    levels,
)
from koprogo_agent.domain.plan import Kind, Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.ports import Project
from koprogo_agent.update.asked import dropped_services, operators_own
from koprogo_agent.update.holding import closed_services, keep_rooms, users_wait
from koprogo_agent.update.job import (
    PINS,
    Found,
    Job,
    as_asked_for,
    laid_project,
    left_alone,
    model_of,
)
from koprogo_agent.update.looking import Look, examined, gate_policy, wait_until_healthy
from koprogo_agent.update.networks import any_disconnected, settle_networks
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.operator_files import spared_services
from koprogo_agent.update.pins import write_pins


def do(job: Job) -> Facts:
    """Brings up the target."""
    return _apply(job, as_asked_for(job, job.target))


def undo(job: Job) -> Facts:
    """Brings up what was there before; where nothing was, stops what the target started."""
    previous = job.operation.previous
    if previous is None or job.operation.kind is Kind.INSTALL:
        job.world.stack.discard(job.settings.stack.project, sorted(job.target.pins))
        return {}
    asked = as_asked_for(job, previous)
    _fetch_pruned(job, asked)
    return _apply(job, asked)


def probe(job: Job) -> Found:
    """Whether the target's files are laid, and its containers made of its images and connected."""
    files_laid = job.world.files.laid() == job.target.tag
    containers = job.world.stack.containers(job.settings.stack.project)
    closed, pins = closed_services(job), as_asked_for(job, job.target).pins
    ending = expectation(model_of(job, job.target)).ending
    made = pins.keys() <= {one.service for one in containers} and all(
        is_made_of(one, pins[one.service])
        and (one.service in closed or _has_run(one, may_end=one.service in ending))
        for one in containers
        if one.service in pins
    )
    done = files_laid and made and not any_disconnected(job, job.target)
    return Found(Truth.DONE if done else Truth.NOT_DONE)


def start_again(job: Job, deployment: Deployment) -> None:
    """Starts what has fallen since, where a try before this one has found it so.

    Level by level: what restarts again and again only because its database was down must not be
    judged before the database is up.
    """
    if job.operation.state.tries:
        pins = write_pins(job, PINS, deployment)
        project, model = laid_project(job, deployment, pins), model_of(job, deployment)
        names = [name for name in deployment.pins if name not in closed_services(job)]
        _bring(job, deployment, project, levels(model, names))


def _has_run(container: Container, *, may_end: bool) -> bool:
    return container.state == "running" or (may_end and _has_ended_well(container))


def _has_ended_well(container: Container) -> bool:
    return container.state == "exited" and container.exit_code == 0


def _fetch_pruned(job: Job, deployment: Deployment) -> None:
    """An image without a container may have been pruned by somebody a moment ago."""
    for image in sorted({pin.reference for pin in deployment.pins.values()}):
        if job.world.images.find(image) is None:
            job.world.images.pull(
                image,
                lambda progress: job.watcher.goes_on(
                    progress.reference, progress.received, progress.total
                ),
            )


def _apply(job: Job, deployment: Deployment) -> Facts:
    """Lay the files, remove dropped services, and exchange the containers that differ."""
    began = job.world.clock.monotonic()
    job.world.files.lay(deployment.tag)
    pins = write_pins(job, PINS, deployment)
    project = laid_project(job, deployment, pins)
    # First: what takes the place of one may have its name or its port.
    give_up = {*dropped_services(job, deployment), *_in_the_way(job, deployment)}
    if give_up:
        job.world.stack.discard(project.name, sorted(give_up))
    settle_networks(job, deployment)
    exchange = _exchange_while_users_wait if users_wait(job) else _exchange_in_use
    exchange(job, deployment, project)
    return {"seconds": job.world.clock.monotonic() - began}


def _in_the_way(job: Job, deployment: Deployment) -> set[str]:
    """Services that are made anew, and until then have what another one is to have."""
    model, host = model_of(job, deployment), job.world.stack.host()
    found = in_the_way(model, job.settings.stack.project, host)
    return _exchanged(job, deployment, found & deployment.pins.keys())


def _exchange_in_use(job: Job, deployment: Deployment, project: Project) -> None:
    """Users notice how long the writers take.

    So what needs a writer is exchanged before it, and nothing disturbs its start.
    """
    model = model_of(job, deployment)
    order = levels(model, deployment.pins, last=job.settings.stack.writers)
    _bring(job, deployment, project, order)


def _exchange_while_users_wait(job: Job, deployment: Deployment, project: Project) -> None:
    """Each second counts: compose starts in one run whatever need not wait for others.

    What stays as it is does not hold them up. One-shots that have done their work and are still the
    same are not run again, as they are not when the machine starts.
    """
    model = model_of(job, deployment)
    kept = {one.service: one for one in _kept(job, deployment, project)}
    ending, closed = expectation(model).ending, closed_services(job)
    ended = {name for name, one in kept.items() if name in ending and _has_ended_well(one)}
    ready = {name for name, one in kept.items() if one.is_ready}
    names = [name for name in deployment.pins if name not in closed | ended]
    order = joined(model, levels(model, names), ready.union(job.settings.stack.writers))
    _bring(job, deployment, project, order)


def _kept(job: Job, deployment: Deployment, project: Project) -> tuple[Container, ...]:
    """The containers that compose leaves as they are from here on.

    It was asked beforehand. Where it was not, or does not know as the same what the release leaves
    alone, it makes all containers now, without starting them, those of a closed ingress too.
    """
    stack, alone = job.world.stack, left_alone(job)
    unchanged = set(job.operation.fact(Step.HOLD, "unchanged") or ())
    if closed_services(job) or not unchanged or not alone <= unchanged:
        stack.create(project, sorted(deployment.pins))
        unchanged = set(deployment.pins)
    return tuple(one for one in stack.containers(project.name) if one.service in unchanged)


def _bring(
    job: Job, deployment: Deployment, project: Project, order: Sequence[tuple[str, ...]]
) -> None:
    """Bring services up level by level: dependencies are ready before their dependents start.

    What is to be restarted with one that is made anew is stopped first, as compose does it.
    """
    model = model_of(job, deployment)
    for index, level in enumerate(order):
        later = [name for after in order[index + 1 :] for name in after]
        if follow := followers(model, _exchanged(job, deployment, level), later):
            job.world.stack.stop(project.name, follow)
        job.world.stack.up(project, level)
        _await(job, deployment, awaited(model, level, later, job.settings.stack.writers))


def _exchanged(job: Job, deployment: Deployment, names: Iterable[str]) -> set[str]:
    """Those of the services whose containers are made anew."""
    containers = job.world.stack.containers(job.settings.stack.project)
    return {
        one.service
        for one in containers
        if one.service in names and not is_made_of(one, deployment.pins[one.service])
    }


def _await(job: Job, deployment: Deployment, names: frozenset[str]) -> None:
    """Waits until these services are ready."""
    names -= spared_services(job, deployment)
    if names:
        model = model_of(job, deployment)
        expected = expectation(model, set(model["services"]) - names)
        look = Look(
            project=job.settings.stack.project,
            expected=expected,
            examined=examined(job.settings, names),
            unchanged=left_alone(job),
            own=operators_own(job, deployment),
            meanwhile=partial(keep_rooms, job),
        )
        policy = replace(gate_policy(job.settings), samples=1)
        wait_until_healthy(job.world, look, policy, job.watcher)
