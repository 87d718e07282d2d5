"""Pull: the images by digest; the deployment is complete once they are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import structlog

from koprogo_agent.domain.deployment import Deployment, ServicePin
from koprogo_agent.domain.overlay import define, quick_health, repository, services
from koprogo_agent.domain.plan import Kind, Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.domain.traefik import routing
from koprogo_agent.errors import AgentError, StepFailed
from koprogo_agent.ports import LocalImage, PullProgress
from koprogo_agent.update.asked import operators_own, with_added
from koprogo_agent.update.job import (
    CANDIDATE,
    Found,
    Job,
    as_asked_for,
    model_of,
    staged_project,
)
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.pins import write_pins
from koprogo_agent.update.preconditions import check_server_image

log = structlog.get_logger()


def do(job: Job) -> Facts:
    """Brings what is absent, pins what the release chooses, and has compose check the result."""
    target = _as_asked_for_now(job)
    pulled = 0
    for reference in sorted({pin.reference for pin in target.pins.values()}):
        if job.world.images.find(reference) is None or _floats(job, reference):
            pulled += _pull(job, reference).size
    if job.operation.state.plan.holds:
        _bring_waiting_room(job)
    operators_own(job, target)  # rendered here, and not while users wait
    if job.operation.kind not in {Kind.INSTALL, Kind.UPDATE}:
        return {"bytes": pulled, "target": asdict(target)}
    target = _pinned(job, target)
    path = write_pins(job, CANDIDATE, target)
    job.world.stack.render(staged_project(job, target, path))
    check_server_image(job, target)
    return {"bytes": pulled, "target": asdict(target)}


def undo(job: Job) -> Facts:
    """Removes what only this pull brought."""
    for reference, operation in job.journal.images_brought().items():
        if operation == job.operation.id:
            job.world.images.remove(reference)
            job.journal.forget_image(reference)
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """What is here already is not pulled twice: it is done again."""
    return Found(Truth.NOT_DONE)


def _as_asked_for_now(job: Job) -> Deployment:
    """The target as the operator's files ask for it now; healing brings nothing new."""
    target = as_asked_for(job, job.target)
    return with_added(job, target) if job.operation.kind in _GO_BACK else target


_GO_BACK = {Kind.ROLLBACK, Kind.RESTORE}
"""Operations whose target is from another day; an update makes its own of today's files."""


def _floats(job: Job, reference: str) -> bool:
    """Whether the reference is a tag that the release chooses: it is resolved at pull time."""
    chosen = (job.operation.fact(Step.STAGE, "references") or {}).values()
    return reference in chosen and "@" not in reference


def _pull(job: Job, reference: str) -> LocalImage:
    known = job.world.images.find(reference)
    image = job.world.images.pull(reference, lambda one: _tell(job, reference, one))
    if known is None:
        job.journal.brought(_by_digest(image, reference), job.operation)
    return image


def _bring_waiting_room(job: Job) -> None:
    """Has its image here before anything is held; it stays, and the hold finds a way without it."""
    image = job.settings.hold.image
    try:
        if job.world.images.find(image) is None:
            job.world.images.pull(image, lambda one: _tell(job, image, one))
    except AgentError as error:
        log.warning("hold.no_image", image=image, why=error.message)


def _tell(job: Job, reference: str, progress: PullProgress) -> None:
    job.watcher.goes_on(repository(reference), progress.received, progress.total)


def _by_digest(image: LocalImage, reference: str) -> str:
    """The digest reference of a pulled image; a registry that gives none cannot be pinned."""
    if "@" in reference:
        return reference
    for digest in image.digests:
        if repository(digest) == repository(reference):
            return digest
    raise StepFailed(f"{reference} has no digest in its registry", code="registry.no_digest")


def _pinned(job: Job, draft: Deployment) -> Deployment:
    """The target with digests for the release's images, and labels for what it changes."""
    references: Mapping[str, str] = job.operation.fact(Step.STAGE, "references") or {}
    images = {
        name: _reference(job, name, one.image) if name in references else one.image
        for name, one in draft.pins.items()
    }
    checks = _quick_checks(job)
    pins = {
        name: ServicePin(image, job.target.tag, checks.get(name, {}))
        for name, image in images.items()
    }
    target = replace(draft, pins=pins)
    previous = job.operation.previous
    if previous is None:
        return target
    before, after = _definitions(job, previous), _definitions(job, target)
    unchanged = {name for name in before if before[name] == after.get(name)}
    kept = {name: previous.pins[name] for name in unchanged if name in pins}
    return replace(target, pins={**target.pins, **kept})


def _quick_checks(job: Job) -> dict[str, dict[str, str]]:
    """Service -> how its health check differs, for services that Traefik routes to by labels."""
    quick = job.world.stack.has_start_interval()
    return {
        name: quick_health(service, has_start_interval=quick)
        for name, service in services(model_of(job, job.target)).items()
        if routing(service.get("labels") or {})
    }


def _definitions(job: Job, deployment: Deployment) -> dict[str, str]:
    """How its services are defined, as the compose of today renders them."""
    images = {name: one.image for name, one in deployment.pins.items()}
    root = str(job.settings.stack.directory)
    return define(model_of(job, deployment), images, deployment.files, root)


def _reference(job: Job, service: str, reference: str) -> str:
    """The digest reference; or the way it is written now, where that is the same image already.

    An image written in another way is a change to compose: it would restart an adopted container
    whose image the release does not change. A tag such as `production-latest` may lead to another
    image by now: what counts is the image that the container was made from.
    """
    local = job.world.images.find(reference)
    if local is None:
        raise AssertionError(f"{reference} was pulled")
    wanted = _by_digest(local, reference)
    containers = job.world.stack.containers(job.settings.stack.project)
    mine = [one for one in containers if one.service == service]
    written = {one.image for one in mine}
    if len(written) != 1 or {one.image_id for one in mine} != {local.id}:
        return wanted
    (now,) = written
    tagged = job.world.images.find(now)
    same = tagged is not None and tagged.id == local.id and repository(now) == repository(wanted)
    return now if same else wanted
