"""The compose file that pins a deployment's images, as the machine needs it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from koprogo_agent.domain.deployment import Deployment, ServicePin
from koprogo_agent.domain.overlay import override
from koprogo_agent.update.job import Job, as_asked_for, model_of


def write_pins(job: Job, name: str, deployment: Deployment) -> Path:
    """Writes it under a name.

    An adopted container may have been made by a tag, such as `production-latest`. Compose would
    make it anew if its image were written in another way. So the tag stays for as long as the
    container is there and the tag still leads to its image; a container that must be made anew is
    made of the image that ran, by digest. What nobody asks for any more is left out: Compose would
    take its pin for a service.
    """
    content = override(_as_made(job, as_asked_for(job, deployment)), model_of(job, deployment))
    return job.world.files.write_override(name, content)


def _as_made(job: Job, deployment: Deployment) -> Mapping[str, ServicePin]:
    if not any(pin.digest for pin in deployment.pins.values()):
        return deployment.pins
    containers = job.world.stack.containers(job.settings.stack.project)
    made = {(one.service, one.image): one.image_id for one in containers}
    return {
        name: pin
        if not pin.digest or _leads_to(job, pin.image, made.get((name, pin.image)))
        else replace(pin, image=pin.digest)
        for name, pin in deployment.pins.items()
    }


def _leads_to(job: Job, reference: str, image_id: str | None) -> bool:
    found = job.world.images.find(reference)
    return found is not None and found.id == image_id
