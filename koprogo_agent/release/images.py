"""Images in a registry: the digest under which a release pins each, and the machines it is for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.images import faults
from koprogo_agent.domain.image_tags import ImageTag
from koprogo_agent.domain.manifest import Image
from koprogo_agent.errors import AgentError, Refused, RetryLater

_DIGEST = "sha256:"
_UNKNOWN = "unknown"
"""How a builder marks what is no image in an index: attestations."""


@dataclass(frozen=True)
class Resolved:
    """An image as a registry has it.

    Attributes:
        reference: what was asked for: `repository:tag`.
        image: what a release pins: the digest is the index's, where there is one.
        platforms: the machines that it is for, as `linux/amd64`.
    """

    reference: str
    image: Image
    platforms: tuple[str, ...]


def resolve(repository: str, tag: str | None, own: ImageTag) -> Resolved:
    """Ask the registry for an image of the stack.

    Args:
        repository: where the image is.
        tag: the tag or digest at which the compose files run it; None where they do not.
        own: the tag that the product's own images have.

    Raises:
        Refused: the product's images are published under the other pattern (code
            `image.tag_pattern`); and as `ask`.
        RetryLater, NeedsOperator: as `ask`.
    """
    wanted = tag or own.text
    try:
        return ask(repository, wanted)
    except RetryLater as error:
        other = own.other
        if error.code != faults.MISSING or wanted != own.text or other is None:
            raise
        if not _is_there(repository, other):
            raise
        raise Refused(
            f"{repository}:{wanted} is not published, and {repository}:{other.text} is",
            code="image.tag_pattern",
            advice=f'set image_tag = "{other.pattern}" in koprogo-release.toml',
        ) from error


def _is_there(repository: str, tag: ImageTag) -> bool:
    try:
        ask(repository, tag.text)
    except AgentError:
        return False
    return True


def ask(repository: str, tag: str) -> Resolved:
    """Asks the registry, by way of the docker engine, which has the credentials for it.

    Raises:
        RetryLater: registry or engine do not answer, or the image is not there (yet).
        NeedsOperator: the registry wants a login, or the engine may not be used.
        Refused: it is there for no machine at all (code `image.platforms`).
    """
    from docker.errors import APIError  # noqa: PLC0415 - heavy, and for this verb alone

    reference = f"{repository}{'@' if tag.startswith(_DIGEST) else ':'}{tag}"
    host = os.environ.get("DOCKER_HOST") or docker_api.DEFAULT_HOST
    with docker_api.client(host) as api:
        inspect: Any = api.inspect_distribution  # the SDK has no types for it
        try:
            told: Mapping[str, Any] = inspect(reference)
        except APIError as error:
            raise faults.of_pull(reference, error.explanation or str(error)) from error
    machines = platforms(told.get("Platforms") or ())
    if not machines:
        raise Refused(f"{reference} is for no machine that it names", code="image.platforms")
    return Resolved(reference, Image(repository, told["Descriptor"]["digest"]), machines)


def platforms(listed: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The machines that images are for, of what the engine says that a registry has."""
    images = [one for one in listed if one.get("architecture", _UNKNOWN) != _UNKNOWN]
    parts = [(one["os"], one["architecture"], one.get("variant", "")) for one in images]
    return tuple(sorted({"/".join(part for part in each if part) for each in parts}))
