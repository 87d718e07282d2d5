"""Folders as they are on the disk, and the files of two releases to lay in them."""

from __future__ import annotations

from pathlib import Path

ONE = {"compose.yml": b"one", "conf/proxy.cfg": b"proxy", "conf/old.cfg": b"old"}
TWO = {"compose.yml": b"two", "conf/proxy.cfg": b"proxy", "scripts/run.sh": b"#!/bin/sh\n"}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def displaced(tmp_path: Path) -> list[bytes]:
    """What was kept of files that were in the way."""
    return sorted(tree(tmp_path / "state/displaced").values())
