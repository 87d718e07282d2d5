"""Images of the engine, and the registries behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class PullProgress:
    """Bytes of the layers of one image: received, and the total known so far."""

    reference: str
    received: int
    total: int


@dataclass(frozen=True)
class LocalImage:
    """An image that the engine holds.

    Attributes:
        id: the engine's id, `sha256:…`.
        digests: the repository digests it is known by, `repository@sha256:…`.
        size: bytes on disk, layers shared with other images included.
    """

    id: str
    digests: tuple[str, ...]
    size: int


class Images(Protocol):
    """Images of the engine and the registries behind it."""

    def find(self, reference: str) -> LocalImage | None:
        """The local image for a reference (tag, digest or id), without asking a registry."""

    def pull(self, reference: str, progress: Callable[[PullProgress], None]) -> LocalImage:
        """Pulls by tag or digest and gives the local image.

        Raises:
            RetryLater: registry unreachable, rate-limiting (with its `Retry-After`), or the image
                is not published yet (code `registry.image_missing`).
            NeedsOperator: the registry wants credentials that are missing or wrong.
        """

    def published(self, reference: str) -> bool:
        """Ask the registry whether it has an image, by tag or digest; nothing is pulled.

        Raises:
            RetryLater: registry or engine do not answer.
            NeedsOperator: the registry wants credentials that are missing or wrong.
        """

    def root(self) -> Path:
        """The folder in which the engine keeps images and volumes."""

    def remove(self, reference: str) -> None:
        """Removes an image unless a container uses it; absent already is success."""
