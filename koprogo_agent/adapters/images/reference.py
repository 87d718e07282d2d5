"""The parts of an image reference."""

from __future__ import annotations

DEFAULT_REGISTRY = "docker.io"
_DEFAULT_TAG = "latest"


def split(reference: str) -> tuple[str, str]:
    """Repository and version of a reference: the digest where it has one, else the tag.

    Without a tag the engine would pull every tag of the repository.
    """
    name, at, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    tagged = bool(colon) and "/" not in tag
    repository = head if tagged else name
    return repository, digest if at else (tag if tagged else _DEFAULT_TAG)


def registry(reference: str) -> str:
    """The registry's name, as `docker login` wants it."""
    first, slash, _ = reference.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if named else DEFAULT_REGISTRY
