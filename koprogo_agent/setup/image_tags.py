"""The pattern of image tags, tried against the registry: `1.2.3` or `v1.2.3`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from koprogo_agent.domain.image_tags import ImageTag
from koprogo_agent.domain.overlay import services
from koprogo_agent.domain.versions import Version
from koprogo_agent.settings import Settings
from koprogo_agent.update.job import project
from koprogo_agent.update.world import World

_MOST_RELEASES = 3
"""How many releases are tried: the images of the newest one may not be published yet."""
_NO_TAG = "koprogo-agent-asks"
"""A value that no image tag has: what changes with it is what a release chooses."""


@dataclass(frozen=True)
class Tried:
    """What the registry has of the images of one release.

    Attributes:
        wanted: an image as the configured pattern names it.
        found: the pattern under which the images are published; None where none is.
        fits: whether that is the configured one.
    """

    wanted: str
    found: ImageTag | None
    fits: bool


def try_patterns(settings: Settings, world: World, versions: Iterable[Version]) -> Tried | None:
    """Look under which pattern the images of the newest releases are published.

    Args:
        settings: the configuration, whose compose files lie in the stack's folder.
        world: Compose, the files and the registry.
        versions: of the releases that there are, newest first.

    Returns:
        None where nothing can be tried: there is no release or no compose file here, or the
        pattern or the compose files do not depend on the version.

    Raises:
        RetryLater, NeedsOperator, StepFailed: Compose or the registry do not answer.
    """
    first: Tried | None = None
    for version in list(versions)[:_MOST_RELEASES]:
        tried = _try(settings, world, ImageTag(settings.stack.image_tag, version))
        if tried is None or tried.found is not None:
            return tried
        first = first or tried
    return first


def _try(settings: Settings, world: World, tag: ImageTag) -> Tried | None:
    files = settings.stack.compose_files
    if tag.other is None or any(world.files.read_stack_file(path) is None for path in files):
        return None
    fixed = _images(settings, world, _NO_TAG)
    wanted = ""
    for one in (tag, tag.other):
        images = _images(settings, world, one.text)
        chosen = sorted({images[name] for name in images if images[name] != fixed.get(name)})
        if not chosen:
            return None
        wanted = wanted or chosen[0]
        if all(map(world.images.published, chosen)):
            return Tried(wanted, one, fits=one is tag)
    return Tried(wanted, None, fits=False)


def _images(settings: Settings, world: World, image_tag: str) -> Mapping[str, str]:
    """Service -> image, as Compose renders the stack's files with a tag."""
    paths = [world.files.stack_path(path) for path in settings.stack.compose_files]
    model = world.stack.render(project(settings, paths, image_tag))
    return {name: str(one.get("image", "")) for name, one in services(model).items()}
