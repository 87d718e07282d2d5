"""The registry: whether the images of releases are published as the configuration names them."""

from __future__ import annotations

from collections.abc import Iterator

from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.errors import AgentError
from koprogo_agent.setup.image_tags import try_patterns
from koprogo_agent.update.releases import offers


def image_tags(patient: Patient) -> Iterator[Finding]:
    """The images of the newest release are published under the pattern `stack.image_tag`.

    Where a manifest is required it pins the images by digest, and the pattern matters only for
    what a person types; otherwise an image that is not there keeps every update waiting.
    """
    settings, world = patient.settings, patient.world
    versions = [one.version for one in offers(world.source.list_refs().tags)]
    try:
        tried = try_patterns(settings, world, versions)
    except AgentError as error:
        yield warning("image tags", f"cannot be tried: {error.message}", error.advice)
        return
    if tried is None:
        return
    if tried.fits:
        yield good("image tags", f"{tried.wanted} is published")
        return
    level = warning if settings.trust.require_manifest else fault
    if tried.found is None:
        said = f"{tried.wanted} is not published, nor is the image under another tag pattern"
        yield level("image tags", said, "tell the association; or correct stack.image_tag")
    else:
        said = f"{tried.wanted} is not published, and the image tagged {tried.found.text} is"
        yield level("image tags", said, f'set in [stack]: image_tag = "{tried.found.pattern}"')
