"""What the stack's folder holds: the record that makes laying out a release resumable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any


def seal(document: Mapping[str, Any]) -> bytes:
    """JSON behind a line with its own hash: these documents decide which files are removed."""
    body = json.dumps(document, sort_keys=True, indent=1).encode()
    return sha256(body).hexdigest().encode() + b"\n" + body


def unseal(raw: bytes) -> dict[str, Any] | None:
    """The document of `seal`, or None when a bit of it has changed."""
    digest, _, body = raw.partition(b"\n")
    if digest != sha256(body).hexdigest().encode():
        return None
    document: dict[str, Any] = json.loads(body)
    return document


@dataclass(frozen=True)
class Laid:
    """What the agent has put into the stack's folder.

    Attributes:
        release: whose files were laid last, whole; None before the first.
        files: path -> SHA-256 of that release.
        pending: path -> SHA-256 of files that a later, unfinished `lay` may have put there.
    """

    release: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)

    def intending(self, wanted: Mapping[str, str]) -> Laid:
        """The record to keep while `wanted` is being written."""
        return Laid(self.release, self.files, {**self.pending, **wanted})

    def known(self) -> set[str]:
        """Every path that the agent may have written."""
        return {*self.files, *self.pending}

    def wrote(self, path: str, digest: str) -> bool:
        """Whether a file's content is what the agent itself put there."""
        return digest in (self.files.get(path), self.pending.get(path))

    def encode(self) -> bytes:
        """The record's file."""
        return seal(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> Laid | None:
        """The record in a file, or None when it is damaged."""
        document = unseal(raw)
        return None if document is None else cls(**document)
