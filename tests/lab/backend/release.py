"""What is baked into the image: the version, the embedded migrations, the faults."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

BAKED = Path("/app/release")


@dataclass(frozen=True, slots=True)
class Migration:
    """One embedded migration; the file is named `VERSION_words_of_the_description.sql`."""

    version: int
    description: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """SHA-384 of the text, as sqlx records it."""
        return hashlib.sha384(self.sql.encode()).digest()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How this release misbehaves; by default not at all."""

    exit_at_start: bool = False
    exit_after_migration: bool = False
    exit_with_documents: bool = False
    start_delay_seconds: float = 0.0
    die_after_seconds: float = 0.0
    needs_variable: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """One version of the application."""

    version: str
    migrations: tuple[Migration, ...]
    behaviour: Behaviour


def load(root: Path = BAKED) -> Release:
    """Read the release that this image is."""
    return Release(
        (root / "version").read_text().strip(),
        tuple(_migration(path) for path in sorted((root / "migrations").glob("*.sql"))),
        Behaviour(**json.loads((root / "behaviour.json").read_text())),
    )


def _migration(path: Path) -> Migration:
    version, _, words = path.stem.partition("_")
    return Migration(int(version), words.replace("_", " "), path.read_text())
