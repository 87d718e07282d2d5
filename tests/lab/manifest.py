"""Writes release manifests as a release manager's tool does, apart from the agent's reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tests.lab.oci import Pushed
from tests.lab.stack import MIGRATIONS

BEGIN = "-----BEGIN KOPROGO RELEASE-----"
END = "-----END KOPROGO RELEASE-----"
VALID = timedelta(days=365)

Manifest = dict[str, object]


def canonical(manifest: Manifest) -> str:
    """The one text that this manifest has."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def block(text: str) -> str:
    """The manifest's text between its two lines."""
    return f"{BEGIN}\n{text}\n{END}\n"


def cosignatures(signatures: Sequence[str]) -> str:
    """Co-signatures between their two lines."""
    listed = json.dumps(list(signatures), separators=(",", ":"))
    return f"-----BEGIN KOPROGO COSIGNATURES-----\n{listed}\n-----END KOPROGO COSIGNATURES-----\n"


def describe(
    version: str,
    counter: int,
    commit: str,
    images: Mapping[str, Pushed],
    files: Mapping[str, bytes],
) -> Manifest:
    """The manifest of a plain release, issued now and good for a year."""
    now = datetime.now(UTC)
    return {
        "format": 1,
        "product": "koprogo",
        "channel": "stable",
        "version": version,
        "counter": counter,
        "commit": commit,
        "images": {
            name: {"repository": image.repository, "digest": image.digest}
            for name, image in images.items()
        },
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
        "migrations": {"path": MIGRATIONS, "works_with": []},
        "upgrade_from": [">=1.0.0"],
        "agent_min": "0.1.0",
        "severity": "routine",
        "issued": _instant(now),
        "expires": _instant(now + VALID),
    }


def _instant(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
