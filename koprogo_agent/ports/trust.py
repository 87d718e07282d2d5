"""Where releases come from, and what trust in them rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from koprogo_agent.domain.armour import Statement
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.domain.tags import TagRef


@dataclass(frozen=True)
class Listing:
    """What the source lists at one instant.

    Attributes:
        tags: what is below `refs/tags/`.
        trust: the commit at which the trust branch stands, or None where there is no such branch.
    """

    tags: tuple[TagRef, ...]
    trust: str | None


class Source(Protocol):
    """The git repository that releases come from."""

    def list_refs(self) -> Listing:
        """What the source has now: one `ls-remote`, nothing else."""

    def fetch(self, tag: TagRef) -> bytes:
        """Brings the tag object, its commit and trees (no blobs) into the mirror.

        Returns:
            The raw bytes of the object that the ref pointed at.

        Raises:
            Refused: what came is not the object that was listed, is not a tag, or breaks a limit.
        """

    def read_file(self, commit: str, path: str) -> bytes:
        """One regular file of a fetched commit, read from git objects, without a checkout.

        Raises:
            Refused: the path is missing, or is not a regular file (symlink, submodule, folder).
        """

    def list_files(self, commit: str, folder: str) -> tuple[str, ...]:
        """Paths of the regular files at or below a path of the repository; empty when absent."""

    def tree_id(self, commit: str, folder: str) -> str | None:
        """Object id of a folder's tree, or None when the commit does not have the folder."""


class Signatures(Protocol):
    """The tools that check signatures."""

    def signer(self, statement: Statement, keys: Sequence[Key], at: datetime) -> Signer:
        """Which of these keys made a signature, judged at an instant of our own clock.

        Raises:
            Refused: none of these keys made it, for this purpose, over these bytes.
        """


class Anchor(Protocol):
    """What this machine's operator says of trust; everything else follows from it."""

    def pinned(self) -> bytes:
        """The file of the trust root that this machine was given.

        Raises:
            NeedsOperator: there is none, or others may write to it.
        """

    def revoked(self) -> frozenset[str]:
        """Fingerprints of keys that are not believed here, whatever a trust root says.

        Raises:
            NeedsOperator: they cannot be read, each of them.
        """
