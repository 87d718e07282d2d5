"""A product whose releases are cut, as the clone in which the release manager works has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from koprogo_agent.adapters.signatures import SigningTools
from koprogo_agent.domain.root import Root
from koprogo_agent.domain.rules import TrustPolicy
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.ports import Signatures
from koprogo_agent.release.branch import TrustBranch
from koprogo_agent.release.clone import Clone
from koprogo_agent.release.git import Git
from koprogo_agent.release.releases import Releases, read_releases
from koprogo_agent.release.remote import Remote
from koprogo_agent.release.settings import ReleaseSettings, load
from koprogo_agent.release.trust import TrustState, read_trust
from koprogo_agent.update.court import Court


@dataclass(frozen=True)
class Product:
    """Everything that a verb may touch."""

    settings: ReleaseSettings
    clone: Clone
    branch: TrustBranch
    remote: Remote
    signatures: Signatures

    def trust(self, now: datetime, first: int = 1) -> TrustState:
        """How it stands with trust, for an instance that was given a version of the root.

        Raises:
            NeedsOperator: this clone knows of no trust root, or not of that version (`root.none`).
            Refused: it is not what it should be.
        """
        tip = self.branch.tip()
        if tip is None:
            raise NeedsOperator(
                f"this clone has no branch {self.settings.trust_branch}, so no trust root",
                code="root.none",
                advice="git fetch; or make the first trust root: koprogo-release init",
            )
        return read_trust(tip, self.branch.files(tip), self.signatures, now, first)

    def found_trust(self, now: datetime) -> TrustState | None:
        """The same by the first trust root; None before it was published."""
        return self.trust(now) if self.branch.tip() else None

    def court(self, root: Root) -> Court:
        """Where releases are judged, as instances judge them that keep the defaults."""
        policy = TrustPolicy(self.settings.product, require_manifest=True)
        return Court(self.signatures, root, policy)

    def releases(self, root: Root, now: datetime) -> Releases:
        """The releases that this clone has, under a trust root."""
        return self.judged(self.clone.tags(), root, now)

    def judged(self, tags: Mapping[TagRef, bytes], root: Root, now: datetime) -> Releases:
        """The releases among some tags, under a trust root."""
        return read_releases(tags, self.court(root), now)


def open_product(folder: Path) -> Product:
    """The product whose clone a folder lies in.

    Raises:
        NeedsOperator: it lies in none, or its koprogo-release.toml is faulty.
    """
    git = Git.around(folder)
    settings = load(git.folder)
    branch = TrustBranch(git, settings.remote, settings.trust_branch)
    remote = Remote(git, settings.remote, branch)
    return Product(settings, Clone(git), branch, remote, signing_tools())


def signing_tools() -> Signatures:
    """What checks signatures, also where there is no clone."""
    return SigningTools()


def found_product(folder: Path) -> Product | None:
    """The same; None where the folder lies in no clone."""
    try:
        return open_product(folder)
    except NeedsOperator as error:
        if error.code == "git.no_clone":
            return None
        raise
