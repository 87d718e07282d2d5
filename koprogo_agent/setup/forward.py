"""The operator's file, written anew as this version writes it; the one before is kept beside it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from koprogo_agent import __version__
from koprogo_agent.durable import Folder, disk_errors
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.settings import load
from koprogo_agent.settings.changes import Carried, Edit, carry
from koprogo_agent.setup.rewriting import rewrite

_MODE = 0o755
"""Of folders that would be made; the file's own is there."""


@dataclass(frozen=True)
class Written:
    """What was done to a file.

    Attributes:
        edits: in the order in which they were carried out.
        kept: the file as it was before.
    """

    edits: list[Edit]
    kept: Path


def carry_forward(file: Path) -> Written | None:
    """Rewrites a configuration that is of an older form; None where it is one of today.

    Owner and mode of the file stay. It is replaced as a whole, after the one before is safe.

    Raises:
        NeedsOperator: it has faults (`config.invalid`), cannot be written (`files.failed`), or is
            written in a way that only its author can change (`config.unusual`).
    """
    file = file.resolve()
    load(file)
    with disk_errors(f"rewrite {file}"):
        before, model = file.read_bytes(), file.stat()
        text = before.decode()
        carried = carry(tomllib.loads(text))
        if not carried.edits:
            return None
        after = _rewritten(text, carried, file)
        folder = Folder(file.parent, _MODE)
        kept = _free_name(folder, file.name, before)
        folder.write_like(kept, before, model)
        folder.write_like(file.name, after.encode(), model)
    return Written(carried.edits, file.with_name(kept))


def _rewritten(text: str, carried: Carried, file: Path) -> str:
    """The text of today, which means exactly what `load` has just found good."""
    after = rewrite(text, carried.edits)
    if _meaning(after) == carried.document:
        return after
    said = "\n  ".join(edit.said for edit in carried.edits)
    raise NeedsOperator(
        f"{file} is written in a way that cannot be rewritten without its author:\n  {said}",
        code="config.unusual",
        advice="write these keys as it says, by hand; until then they are read as it says",
    )


def _meaning(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _free_name(folder: Folder, name: str, content: bytes) -> str:
    """A name for the file before that no other file has; the same one after a power cut."""
    names = (f"{name}.before-{__version__}{f'-{n}' if n else ''}" for n in count())
    return next(one for one in names if folder.read(one) in {None, content})
