"""The files that people carry to each other: drafts of releases, and trust roots being signed."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.domain.root import Root, read_root
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.release import roots
from koprogo_agent.release.draft import MAX_BYTES, Draft, read_draft

_ROOT_BEGINS = b'{"signatures":'
"""How the canonical text of a trust root's file begins, and no draft's."""


def lying(folder: Path, product: str) -> list[Path]:
    """The files of a product's drafts in a folder."""
    kinds = (f"{product}-v*.draft.json", f"{product}-root-*.draft.json")
    return sorted(path for kind in kinds for path in folder.glob(kind))


def read(path: Path) -> Draft | Root:
    """A draft of a release, or a trust root, from its file.

    Raises:
        NeedsOperator: it cannot be read (code `file.unreadable`).
        Refused: it is neither, or not as its format says.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NeedsOperator(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}",
            code="file.unreadable",
            advice="name the file that prepare, init or rotate wrote",
        ) from error
    return read_root(raw) if raw.startswith(_ROOT_BEGINS) else read_draft(raw)


def read_draft_of(path: Path) -> Draft:
    """A draft of a release from its file; raises as `read`.

    Raises:
        Refused: it is a trust root (code `file.root`).
    """
    content = read(path)
    if isinstance(content, Root):
        raise Refused(
            f"{path} is a trust root, not a release",
            code="file.root",
            advice="koprogo-release status shows how far its signing has come",
        )
    return content


def write(content: Draft | Root, folder: Path) -> Path:
    """Writes a new draft into a folder; one that nobody has signed yet is replaced.

    Raises:
        NeedsOperator: there is one that somebody has signed (code `file.signed`).
    """
    path = folder / name(content)
    if path.exists() and _is_signed(path):
        raise NeedsOperator(
            f"{path.name} is there already, and somebody has signed it",
            code="file.signed",
            advice=f"go on with it (koprogo-release sign {path.name}), or: rm {path.name}",
        )
    save(content, path)
    return path


def save(content: Draft | Root, path: Path) -> None:
    """Puts content in the place of a file: it is whole at any time.

    Raises:
        NeedsOperator: it cannot be written (code `file.unwritable`).
    """
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_bytes(_bytes(content))
        unfinished.replace(path)
    except OSError as error:
        raise NeedsOperator(
            f"cannot write {path}: {(error.strerror or str(error)).lower()}",
            code="file.unwritable",
        ) from error


def name(content: Draft | Root) -> str:
    """What the file is called."""
    return content.file_name if isinstance(content, Draft) else roots.file_name(content)


def _bytes(content: Draft | Root) -> bytes:
    return content.write() if isinstance(content, Draft) else content.envelope.raw()


def _is_signed(path: Path) -> bool:
    try:
        found = read(path)
    except Refused:
        return True  # whatever it is, it is not ours to replace
    if isinstance(found, Draft):
        return bool(found.cosignatures or found.signature)
    return bool(found.envelope.signatures)
