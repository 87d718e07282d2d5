"""The stack's networks: made anew for the whole project, before containers are exchanged.

Compose exchanges containers service by service here. If it made a network anew in between, it would
leave the containers of all other services disconnected, the database's above all. So all
containers stop first, Compose makes the networks alone, and the same containers are connected to
them. They start again as in any exchange; no container is made anew for it.
"""

from __future__ import annotations

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.overlay import is_made_of, levels
from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.shared import disconnected
from koprogo_agent.update.job import Job, model_of, staged_project

_FACT = "networks"
"""Fact of the step `hold`: the networks that are made anew while it stands."""


def networks_to_renew(job: Job, deployment: Deployment) -> tuple[str, ...]:
    """Return the networks that are made anew on the way to a deployment.

    The operator's files may have redefined one as well as the release. On a way back, those that
    were to be made anew on the way there belong to them: an agent may have been killed within.
    """
    found = job.world.stack.replaced_networks(staged_project(job, deployment))
    return tuple(sorted({*found, *_noted(job)}))


def settle_networks(job: Job, deployment: Deployment) -> None:
    """Make sure that every container is in the networks of its service, as they are defined now.

    Networks are made anew only where the hold knows of it: users are kept out then.

    Raises:
        RetryLater: a container of others is in such a network; everything has stopped by then.
        StepFailed: the engine does not make a network as it is defined.
    """
    stack, project = job.world.stack, staged_project(job, deployment)
    if _noted(job):
        if stack.replaced_networks(project):
            _stop_all(job, deployment)
        stack.renew_networks(project)
    elif any_disconnected(job, deployment):
        stack.renew_networks(project)


def any_disconnected(job: Job, deployment: Deployment) -> bool:
    """Whether a container that a deployment keeps is not in a network of its service."""
    model, pins = model_of(job, deployment), deployment.pins
    return any(
        one.service in pins and is_made_of(one, pins[one.service]) and disconnected(model, one)
        for one in job.world.stack.containers(job.settings.stack.project)
    )


def _noted(job: Job) -> tuple[str, ...]:
    return tuple(job.operation.fact(Step.HOLD, _FACT) or ())


def _stop_all(job: Job, deployment: Deployment) -> None:
    """Stop what needs others before them, each container within its own time."""
    project = job.settings.stack.project
    names = {one.service for one in job.world.stack.containers(project)}
    order = [name for level in levels(model_of(job, deployment), sorted(names)) for name in level]
    # A service that only another release has: nothing of this one needs it.
    job.world.stack.stop(project, [*sorted(names.difference(order)), *reversed(order)])
