"""Backups are found in the order in which they were made, and only whole ones."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.backup_record import record_path, write_record
from koprogo_agent.errors import NeedsOperator, Refused


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    """The adapter on folders of this test."""
    return LocalFiles(tmp_path / "state", tmp_path / "stack", tmp_path / "backups")


def keep(files: LocalFiles, label: str) -> Path:
    """A backup as the database adapter leaves it."""
    path = files.backup_path(label)
    write_record(path, "0" * 64, 4, ())
    path.write_bytes(b"dump")
    return path


def test_order_does_not_depend_on_the_clock(files: LocalFiles) -> None:
    """The oldest is the one made first, even when the clock went backwards since."""
    made = [keep(files, label) for label in ("b", "c", "a")]
    os.utime(made[2], (0, 0))
    assert [dump.path for dump in files.backups()] == made


def test_a_label_has_one_path(files: LocalFiles) -> None:
    """Before and after the dump, the same label gives the same path; another one does not."""
    first = files.backup_path("before-v1.0.0")
    assert files.backup_path("before-v1.0.0") == first
    keep(files, "before-v1.0.0")
    assert files.backup_path("before-v1.0.0") == first
    assert files.backup_path("other") != first


def test_only_whole_backups_count(files: LocalFiles) -> None:
    """A truncated dump, one without a record and a record without a dump are not backups."""
    whole, short = keep(files, "whole"), keep(files, "short")
    short.write_bytes(b"du")
    (whole.parent / "0009-foreign.dump").write_bytes(b"dump")
    write_record(whole.parent / "0010-gone.dump", "0" * 64, 4, ())
    assert [dump.path for dump in files.backups()] == [whole]
    assert stat.S_IMODE(whole.parent.stat().st_mode) == 0o700


def test_forgetting(files: LocalFiles, tmp_path: Path) -> None:
    """A forgotten backup is gone with its record; what is not a backup is never removed."""
    path = keep(files, "a")
    files.forget_backup(path)
    files.forget_backup(path)
    assert not path.exists()
    assert not record_path(path).exists()
    for other in (tmp_path / "stack/0001-a.dump", path.parent / "../stack/0001-a.dump"):
        with pytest.raises(Refused):
            files.forget_backup(other)


def test_no_folder_is_no_backups(files: LocalFiles) -> None:
    """Before the first backup there are none."""
    assert files.backups() == ()


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(
    files: LocalFiles, tmp_path: Path
) -> None:
    """Who wants to restore would believe that there is nothing."""
    (tmp_path / "backups").touch()
    with pytest.raises(NeedsOperator, match="cannot list the backups"):
        files.backups()
