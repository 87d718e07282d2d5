"""The port `Files`: in memory and on a real file system, both at hand everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.ports import Files
from tests.simulation.disk import Disk

ONE = {"compose.yml": b"one", "conf/proxy.cfg": b"proxy", "conf/old.cfg": b"old"}
TWO = {"compose.yml": b"two", "conf/proxy.cfg": b"proxy"}


@pytest.fixture(params=[Disk, LocalFiles], ids=["simulation", "real"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """The port."""
    (tmp_path / "stack").mkdir()
    if request.param is Disk:
        return Disk(tmp_path / "stack", tmp_path / "state", tmp_path / "backups")
    return LocalFiles(tmp_path / "state", tmp_path / "stack", tmp_path / "backups")


def test_staging(files: Files) -> None:
    """Files are kept under a release's name, replaced as a whole, and forgotten."""
    assert files.staged("v1.0.0") is None
    assert files.releases() == ()
    files.stage("v1.0.0", ONE)
    files.stage("v1.1.0", ONE)
    files.stage("v1.1.0", TWO)
    assert files.staged("v1.0.0") == ONE
    assert files.staged("v1.1.0") == TWO
    assert set(files.releases()) == {"v1.0.0", "v1.1.0"}
    assert files.staged_path("v1.0.0", "conf/old.cfg").name == "old.cfg"
    for _ in range(2):
        files.unstage("v1.0.0")
    assert files.staged("v1.0.0") is None


def test_laying(files: Files) -> None:
    """The stack's folder holds one release; what the next does not have goes."""
    assert files.laid() is None
    files.stage("v1.0.0", ONE)
    files.stage("v1.1.0", TWO)
    for release, content in (("v1.0.0", ONE), ("v1.1.0", TWO), ("v1.0.0", ONE)):
        for _ in range(2):
            files.lay(release)
        assert files.laid() == release
        for path in ONE:
            assert files.read_stack_file(path) == content.get(path)
    assert files.read_stack_file("no/such/file") is None


def test_override(files: Files) -> None:
    """One path for ever: another would be another definition to compose."""
    paths = {files.write_override("pins.json", content) for content in (b"1", b"2")}
    assert len(paths) == 1
    assert files.write_override("other.json", b"3") not in paths


def test_backup_paths(files: Files) -> None:
    """They order by age, also against the alphabet; there are none before one is made."""
    assert files.backups() == ()
    path = files.backup_path("update-1-v1.0.0")
    assert path == files.backup_path("update-1-v1.0.0")
    assert path.stem.partition("-")[2] == "update-1-v1.0.0"
    files.forget_backup(path)


def test_what_can_be_written_to(files: Files, tmp_path: Path) -> None:
    """Also where the folder is still to be made."""
    files.check_writable(tmp_path)
    files.check_writable(tmp_path / "not" / "yet")


def test_free_bytes(files: Files, tmp_path: Path) -> None:
    """Some."""
    assert files.free_bytes(tmp_path) > 0
