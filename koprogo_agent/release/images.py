"""Images in a registry: the digest under which a release pins each, and the machines it is for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.images import faults
from koprogo_agent.domain.manifest import Image
from koprogo_agent.errors import Refused

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


def resolve(repository: str, tag: str) -> Resolved:
    """Asks the registry, by way of the docker engine, which has the credentials for it.

    Raises:
        RetryLater: registry or engine do not answer, or the image is not there (yet).
        NeedsOperator: the registry wants a login, or the engine may not be used.
        Refused: it is there for no machine at all (code `image.platforms`).
    """
    from docker.errors import APIError  # noqa: PLC0415 - heavy, and for this verb alone

    reference = f"{repository}:{tag}"
    host = os.environ.get("DOCKER_HOST") or docker_api.DEFAULT_HOST
    with docker_api.client(host) as api:
        ask: Any = api.inspect_distribution  # the SDK has no types for it
        try:
            told: Mapping[str, Any] = ask(reference)
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
