"""What the operator asks for now: services that they added or took out between two operations.

A deployment remembers the services that ran when it was brought here. Env file and override files
are the operator's and may have changed since, so a name on one side only is normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from koprogo_agent.domain.deployment import Deployment, ServicePin
from koprogo_agent.domain.overlay import Model, is_made_by_agent, repository, services, wanted
from koprogo_agent.errors import AgentError
from koprogo_agent.settings import Settings
from koprogo_agent.update.job import (
    Job,
    as_asked_for,
    model_of,
    viewed_project,
    without_overrides,
)
from koprogo_agent.update.world import World

_PROBE_TAG = "koprogo-agent-asks"
"""A value that no image tag has: what changes with it is what the release chooses."""


def services_asked_for(world: World, settings: Settings, deployment: Deployment) -> frozenset[str]:
    """The deployment's services that its files and the operator's still ask for.

    All of them where Compose cannot say so now: an env file that is away asks for nothing less.
    """
    try:
        model = world.stack.render(viewed_project(world, settings, deployment))
    except AgentError:
        return frozenset(deployment.pins)
    return wanted(model) & deployment.pins.keys()


def operators_own(job: Job, deployment: Deployment) -> frozenset[str]:
    """The services that only the operator's override files have; the release knows nothing of them.

    Empty where Compose cannot render the release without those files.
    """
    if not job.settings.stack.overrides:
        return frozenset()
    try:
        alone = model_without_overrides(job, deployment)
        everything = services(model_of(job, deployment))
    except AgentError:
        return frozenset()
    return frozenset(everything.keys() - services(alone).keys())


def model_without_overrides(job: Job, deployment: Deployment) -> Model:
    """The rendered compose model of a deployment without the operator's override files.

    Raises:
        AgentError: Compose cannot render it: it may need what those files say.
    """
    alone = without_overrides(job, deployment)
    key = (deployment.image_tag, *map(str, alone.files))
    if key not in job.models:
        job.models[key] = job.world.stack.render(alone)
    return job.models[key]


def kept_services(job: Job, deployment: Deployment, other: Deployment) -> frozenset[str]:
    """Services of another deployment that are still asked for on the way to this one, as they are.

    The operator has added them since this one ran. Not what runs an image of the other release.
    """
    model = services(model_of(job, deployment))
    asked = wanted(model_of(job, deployment))
    return frozenset(
        name
        for name in (other.pins.keys() & asked) - deployment.pins.keys()
        if other.pins[name].image == model[name].get("image")
    )


def dropped_services(job: Job, deployment: Deployment) -> tuple[str, ...]:
    """List the services whose containers are removed when the deployment is applied.

    Only containers that the agent created or adopted: an operator may run other containers from
    another file, which Compose counts as part of the same project.
    """
    both = [one for one in (job.operation.previous, job.operation.target) if one is not None]
    adopted = {name for one in both for name, pin in one.pins.items() if pin.release is None}
    stay = set(as_asked_for(job, deployment).pins)
    for other in both:
        stay |= kept_services(job, deployment, other)
    containers = job.world.stack.containers(job.settings.stack.project)
    ours = {one.service for one in containers if is_made_by_agent(one)}
    ours |= {one.service for one in containers if one.service in adopted}
    return tuple(sorted(ours - stay))


def with_added(job: Job, deployment: Deployment) -> Deployment:
    """A deployment that ran before, with the services that the operator has added since.

    Nothing runs that was not signed: an image that the release chooses is only taken where the
    deployment has one of the same repository.
    """
    model, previous = services(model_of(job, deployment)), job.operation.previous
    asked = wanted(model_of(job, deployment)) - deployment.pins.keys()
    if any(pin.release is None for pin in deployment.pins.values()):
        # An adopted stack need not have had a container of each of its services.
        known = previous.pins.keys() if previous is not None else frozenset()
        asked &= operators_own(job, deployment) | known
    if not asked:
        return deployment
    chosen, added = tagged_images(job, deployment), dict[str, ServicePin]()
    for name in asked:
        image = str(model[name].get("image", ""))
        pin = _of_repository(deployment.pins, image)
        if pin is not None:
            added[name] = ServicePin(pin.image, deployment.tag, digest=pin.digest)
        elif image and name not in chosen:
            added[name] = ServicePin(image, deployment.tag)
    if previous is not None:
        added |= {name: previous.pins[name] for name in kept_services(job, deployment, previous)}
    return replace(deployment, pins={**deployment.pins, **added})


def tagged_images(job: Job, deployment: Deployment) -> dict[str, str]:
    """Map services to their image references, where these depend on the release's image tag."""
    other = services(model_of(job, replace(deployment, image_tag=_PROBE_TAG)))
    return {
        name: str(service.get("image", ""))
        for name, service in services(model_of(job, deployment)).items()
        if service.get("image") != other.get(name, {}).get("image")
    }


def _of_repository(pins: Mapping[str, ServicePin], image: str) -> ServicePin | None:
    same = (pin for pin in pins.values() if repository(pin.image) == repository(image))
    return next(same, None)
