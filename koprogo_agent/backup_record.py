"""What is known about a backup file: a small JSON file beside the dump.

`pg_dump`'s custom format has no checksum of its own, so what was written is recorded here. The
record is durable before the dump gets its name: a dump without a record is not one of ours.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from koprogo_agent.durable import Folder

PARTIAL = ".partial"


@dataclass(frozen=True)
class BackupRecord:
    """The record of one backup.

    Attributes:
        sha256: of the whole dump file, in hex.
        size: of the dump file in bytes.
        made_at: when the dump was finished, ISO 8601, UTC.
        roles: the cluster's own roles; a dump names them but does not hold them.
        unrestorable: why it cannot be restored, in PostgreSQL's words, since a restore has found
            that out; empty where none has.
    """

    sha256: str
    size: int
    made_at: str
    roles: tuple[str, ...]
    unrestorable: str = ""


def record_path(dump: Path) -> Path:
    """Where the record of a dump is."""
    return dump.with_name(dump.name + ".json")


def write_record(dump: Path, sha256: str, size: int, roles: tuple[str, ...]) -> None:
    """Durably writes the record of a dump that is finished now."""
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    _write(dump, BackupRecord(sha256, size, made_at, roles))


def note_unrestorable(dump: Path, why: str) -> None:
    """Durably notes with a dump why it cannot be restored; empty: it can."""
    record = read_record(dump)
    if record is not None:
        _write(dump, replace(record, unrestorable=why))


def _write(dump: Path, record: BackupRecord) -> None:
    text = json.dumps(asdict(record), indent=1) + "\n"
    Folder(dump.parent, 0o700).write(record_path(dump).name, text.encode(), 0o600)


def read_record(dump: Path) -> BackupRecord | None:
    """The record of a dump, or None when there is none that can be read."""
    try:
        document = json.loads(record_path(dump).read_bytes())
        return BackupRecord(
            sha256=str(document["sha256"]),
            size=int(document["size"]),
            made_at=str(document["made_at"]),
            roles=tuple(str(role) for role in document["roles"]),
            unrestorable=str(document.get("unrestorable", "")),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
