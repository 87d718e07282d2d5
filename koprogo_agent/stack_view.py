"""Folders of links, in which Compose finds the stack's folder as it will be."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath


def links(
    stack: Path, tree: Path, files: Iterable[str], others: Collection[str]
) -> dict[str, Path]:
    """Path in the view -> what it leads to.

    Folders that hold files of a release, of this one or of another, are shown entry by entry; all
    else of the stack's folder, the operator's files, as a whole.

    Args:
        stack: the stack's folder.
        tree: where the release's files lie.
        files: their paths.
        others: paths of files that a release before has laid.
    """
    found = {path: tree / path for path in files}
    opened = {str(one) for path in (*found, *others) for one in PurePosixPath(path).parents}
    for folder in sorted(opened):
        for entry in _entries(stack / folder):
            path = str(PurePosixPath(folder) / entry)
            if path not in found and path not in others and path not in opened:
                found[path] = stack / path
    return found


def show(root: Path, wanted: Mapping[str, Path]) -> None:
    """Makes a folder hold these links, and nothing else."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_symlink() and wanted.get(str(path.relative_to(root))) != path.readlink():
            path.unlink()
        elif path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    for name, target in wanted.items():
        link = root / name
        if not link.is_symlink():
            if link.is_dir():
                shutil.rmtree(link)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)


def _entries(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
