"""A release of the agent as a version that lies beside the others, whole and tried out."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent.domain.manifest import Image, Manifest
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import DISK_FULL, NeedsOperator, StepFailed
from koprogo_agent.ports import ImageContents, PullProgress, Versions
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.world import Watcher, World

IMAGE, FOLDER, LOCK = "agent", "/dist", "requirements.lock"
"""What the manifest calls the image, where `make dist` lies in it, and what names every wheel."""

_ROOM = 600_000_000
"""Bytes that must be free: the image, what is unpacked of it, and the environment made of that."""


@dataclass(frozen=True)
class Packages:
    """Brings versions of the agent here; none of them runs before it was tried out.

    Attributes:
        world: the machine, with the source of the agent's own releases.
        journal: the one that versions have to get along with.
    """

    world: World
    versions: Versions
    contents: ImageContents
    journal: Journal
    watcher: Watcher

    def bring(self, release: VerifiedRelease) -> str:
        """Makes a version of a release, and has it try whether it can work here.

        Returns:
            The version's name.

        Raises:
            StepFailed: the release cannot be used here.
            RetryLater, NeedsOperator: it cannot be brought here now.
        """
        version, manifest = str(release.version), release.manifest
        image = manifest.images.get(IMAGE) if manifest else None
        if manifest is None or image is None:
            raise StepFailed(f"{release.tag} names no image {IMAGE!r}", code="agent.manifest")
        room = self.versions.room(version)
        if self.world.files.free_bytes(room) < _ROOM:
            raise NeedsOperator(
                f"there is no room in {room.parent} for another version of the agent",
                code=DISK_FULL,
                advice="free some; what takes it: du -xh / | sort -h, docker system df",
            )
        self._unpack(manifest, image, room)
        self.versions.assemble(version)
        self._try(version)
        return version

    def _unpack(self, manifest: Manifest, image: Image, room: Path) -> None:
        def tell(progress: PullProgress) -> None:
            self.watcher.goes_on("pulling the agent", progress.received, progress.total)

        images = self.world.images
        images.pull(image.reference, tell)
        try:
            self.contents.unpack(image.reference, FOLDER, room)
        finally:
            images.remove(image.reference)
        # The image is bound by its digest; what lies in the repository too by the tag itself.
        for path, expected in {LOCK: "", **manifest.files}.items():
            if _sha256(room / path) != expected:
                raise StepFailed(
                    f"{path} in its image is not the one that was signed", code="agent.files"
                )

    def _try(self, version: str) -> None:
        self.watcher.goes_on("trying the agent", 0, 0)
        with TemporaryDirectory(prefix="koprogo-agent-") as folder:
            copy = Path(folder) / "journal.db"
            with closing(sqlite3.connect(copy)) as target:
                self.journal.store.connection.backup(target)
            self.versions.try_out(version, copy)


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
