"""What is asked of the database before anything is held (DESIGN, section 6)."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from koprogo_agent.domain.database import (
    against_a_point,
    against_an_exchange,
    against_an_image,
    lost_by_a_way_back,
)
from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.overlay import services
from koprogo_agent.domain.plan import Step
from koprogo_agent.errors import AgentError
from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.job import Job, model_of
from koprogo_agent.update.world import World

log = structlog.get_logger()


def check_point(job: Job) -> None:
    """Asks whether a rollback point can be made, where one is going to be.

    Raises:
        NeedsOperator: something must be mended first.
        RetryLater: something will pass; or the database does not answer.
    """
    if Step.POINT not in job.operation.state.plan.steps:
        return
    state = job.world.database.state(job.database)
    _raise_first(against_a_point(state))
    for lost, _ in lost_by_a_way_back(state):
        log.warning("point.lacks", why=lost)


def check_exchange(world: World, settings: Settings) -> None:
    """Asks whether the database can be put aside for a backup.

    Raises:
        NeedsOperator: something must be mended first.
        RetryLater: the database does not answer.
    """
    at = DatabaseAt(settings.stack.project, settings.database.service)
    _raise_first(against_an_exchange(world.database.state(at)))


def check_server_image(job: Job, target: Deployment) -> None:
    """Asks the image of the database's service whether it can serve the data that is there.

    A dump can be restored into another major version: a rehearsal would not find it out.

    Raises:
        StepFailed: the release brings another major version of PostgreSQL.
        NeedsOperator: the operator's files do; or an extension is missing in the image.
    """
    service, previous = job.settings.database.service, job.operation.previous
    pin = target.pins.get(service)
    if pin is None or previous is None or previous.pins.get(service) == pin:
        return
    image = job.world.database.server_in(pin.reference)
    if image is None:
        log.warning("database.image_unknown", image=pin.reference)
        return
    by_release = _chosen_by_release(job, previous, target)
    state = job.world.database.state(job.database)
    objection = against_an_image(state, image, pin.image, of_release=by_release)
    if objection is not None:
        raise objection


def _raise_first(objections: Iterable[AgentError]) -> None:
    objection = next(iter(objections), None)
    if objection is not None:
        raise objection


def _chosen_by_release(job: Job, before: Deployment, target: Deployment) -> bool:
    """Whether it is the release that changes the image, and not the operator's own files."""
    service = job.settings.database.service
    if service in (job.operation.fact(Step.STAGE, "references") or {}):
        return True
    # Both are rendered with the operator's files of now.
    images = [
        services(model_of(job, one)).get(service, {}).get("image") for one in (before, target)
    ]
    return images[0] != images[1]
