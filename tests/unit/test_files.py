"""The agent's folders and the stack's folder, on a real file system."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.errors import NeedsOperator, Refused, RetryLater
from tests.trees import ONE, TWO, displaced, tree


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """The stack's folder, empty."""
    folder = tmp_path / "stack"
    folder.mkdir()
    return folder


@pytest.fixture
def files(tmp_path: Path, stack: Path) -> LocalFiles:
    """The adapter on folders of this test."""
    return LocalFiles(tmp_path / "state", stack, tmp_path / "backups")


def mode(path: Path) -> int:
    """Permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


class TestStaging:
    """A release's files are kept whole, or they are not kept."""

    def test_what_was_staged_comes_back(self, files: LocalFiles) -> None:
        """Staging keeps every byte, and unstaging forgets them, twice if asked twice."""
        files.stage("v1.0.0", ONE)
        assert files.staged("v1.0.0") == ONE
        assert files.releases() == ("v1.0.0",)
        assert files.staged_path("v1.0.0", "conf/proxy.cfg").read_bytes() == b"proxy"
        files.unstage("v1.0.0")
        files.unstage("v1.0.0")
        assert files.staged("v1.0.0") is None
        assert files.releases() == ()

    def test_staging_again_replaces(self, files: LocalFiles) -> None:
        """A second staging under a name counts whole, also when files are gone from it."""
        files.stage("v1.0.0", ONE)
        files.stage("v1.0.0", TWO)
        assert files.staged("v1.0.0") == TWO

    def test_a_flipped_bit_is_noticed(self, files: LocalFiles, tmp_path: Path) -> None:
        """A file or an index that changed on disk makes the release not staged; staging heals."""
        for damaged in ("files/conf/proxy.cfg", "index.json"):
            files.stage("v1.0.0", ONE)
            path = tmp_path / "state/releases/v1.0.0" / damaged
            path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
            assert files.staged("v1.0.0") is None
        files.stage("v1.0.0", ONE)
        assert files.staged("v1.0.0") == ONE

    def test_half_made_work_is_tidied(self, files: LocalFiles, tmp_path: Path) -> None:
        """What a killed stage or dump left is removed at the next start, and nothing else."""
        files.stage("v1.0.0", ONE)
        (tmp_path / "state/releases/v2.0.0.partial/files").mkdir(parents=True)
        dump = files.backup_path("daily")
        (dump.parent / "0001-daily.dump.partial").write_bytes(b"half")
        files.tidy()
        assert files.staged("v1.0.0") == ONE
        assert [path.name for path in (tmp_path / "state/releases").iterdir()] == ["v1.0.0"]
        assert list(dump.parent.iterdir()) == []

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "x.partial", "-x", "a\n"])
    def test_unsafe_names_are_refused(self, files: LocalFiles, name: str) -> None:
        """No name of a release leads out of its folder or collides with half-made work."""
        with pytest.raises(Refused):
            files.stage(name, ONE)
        with pytest.raises(Refused):
            files.write_override(name, b"")
        with pytest.raises(Refused):
            files.backup_path(name)

    def test_a_file_cannot_also_be_a_folder(self, files: LocalFiles) -> None:
        """Paths of which one lies below another cannot be laid out."""
        with pytest.raises(Refused):
            files.stage("v1.0.0", {"a": b"", "a/b": b""})


class TestLaying:
    """The stack's folder holds one release, and what is the operator's stays."""

    def test_a_release_takes_the_place_of_another(self, files: LocalFiles, stack: Path) -> None:
        """Files come, change and go with the release; the operator's files stay."""
        (stack / ".env").write_bytes(b"SECRET=1")
        (stack / "conf").mkdir()
        (stack / "conf/own.cfg").write_bytes(b"own")
        for release, content in (("v1.0.0", ONE), ("v2.0.0", TWO), ("v1.0.0", ONE)):
            files.stage(release, content)
            files.lay(release)
            assert files.laid() == release
            assert files.stack_path("compose.yml").read_bytes() == content["compose.yml"]
            assert tree(stack) == {**content, ".env": b"SECRET=1", "conf/own.cfg": b"own"}

    def test_unchanged_files_keep_inode_and_mtime(self, files: LocalFiles, stack: Path) -> None:
        """A running container has the inode of a mounted file: the same content is left alone."""
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        before = (stack / "conf/proxy.cfg").stat()
        files.stage("v2.0.0", TWO)
        files.lay("v2.0.0")
        after = (stack / "conf/proxy.cfg").stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)

    def test_containers_can_read_whatever_the_umask(self, files: LocalFiles, stack: Path) -> None:
        """Stack files are 0644, scripts 0755; the agent's own are private."""
        old = os.umask(0o077)
        try:
            files.stage("v2.0.0", TWO)
            files.lay("v2.0.0")
            override = files.write_override("pins.yml", b"services: {}")
        finally:
            os.umask(old)
        assert mode(stack / "compose.yml") == 0o644
        assert mode(stack / "scripts/run.sh") == mode(stack / "scripts") == 0o755
        assert mode(override) == 0o600
        assert mode(override.parent) == 0o700

    def test_drift_is_seen_healed_and_kept(
        self, files: LocalFiles, stack: Path, tmp_path: Path
    ) -> None:
        """An edit or a removal by hand shows; laying again heals it and keeps what was edited."""
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        (stack / "compose.yml").write_bytes(b"edited by hand")
        assert files.laid() is None
        files.lay("v1.0.0")
        assert files.laid() == "v1.0.0"
        (stack / "conf/old.cfg").unlink()
        assert files.laid() is None
        files.lay("v1.0.0")
        assert tree(stack) == ONE
        assert displaced(tmp_path) == [b"edited by hand"]

    def test_adoption_keeps_what_it_replaces(
        self, files: LocalFiles, stack: Path, tmp_path: Path
    ) -> None:
        """Files that were there before the agent are copied away before they are replaced."""
        (stack / "compose.yml").write_bytes(b"the operator's version")
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        files.stage("v2.0.0", TWO)
        files.lay("v2.0.0")
        assert displaced(tmp_path) == [b"the operator's version"]

    def test_what_is_not_staged_cannot_be_laid(self, files: LocalFiles, stack: Path) -> None:
        """Laying an unknown release changes nothing."""
        with pytest.raises(RetryLater) as caught:
            files.lay("v9.0.0")
        assert caught.value.code == "release.not_staged"
        assert tree(stack) == {}

    def test_a_release_staged_anew_is_not_laid(self, files: LocalFiles) -> None:
        """The marker names content, not only a release: other files under its name do not count."""
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        files.stage("v1.0.0", TWO)
        assert files.laid() is None

    def test_a_damaged_marker_claims_nothing(
        self, files: LocalFiles, stack: Path, tmp_path: Path
    ) -> None:
        """With a damaged marker nothing counts as laid, and nothing is removed on its word."""
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        marker = tmp_path / "state/laid.json"
        marker.write_bytes(marker.read_bytes().replace(b"conf/old.cfg", b"conf/own.cfg"))
        (stack / "conf/own.cfg").write_bytes(b"own")
        assert files.laid() is None
        files.stage("v2.0.0", TWO)
        files.lay("v2.0.0")
        assert (stack / "conf/own.cfg").read_bytes() == b"own"

    def test_an_empty_folder_of_docker_gives_way(self, files: LocalFiles, stack: Path) -> None:
        """Docker makes an empty folder for a missing mount source; one with content is refused."""
        (stack / "compose.yml").mkdir()
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        assert files.laid() == "v1.0.0"
        (stack / "scripts/run.sh/kept").mkdir(parents=True)
        files.stage("v2.0.0", TWO)
        with pytest.raises(NeedsOperator) as caught:
            files.lay("v2.0.0")
        assert caught.value.code == "files.obstructed"
        assert (stack / "scripts/run.sh/kept").is_dir()

    @pytest.mark.parametrize("link", ["conf", "conf/proxy.cfg"])
    def test_symlinks_lead_nowhere(
        self, files: LocalFiles, stack: Path, tmp_path: Path, link: str
    ) -> None:
        """A symlink in a release's path is refused before anything was written."""
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "proxy.cfg").write_bytes(b"precious")
        (stack / link).parent.mkdir(exist_ok=True)
        (stack / link).symlink_to(outside if link == "conf" else outside / "proxy.cfg")
        files.stage("v1.0.0", ONE)
        with pytest.raises(NeedsOperator) as caught:
            files.lay("v1.0.0")
        assert caught.value.code == "files.obstructed"
        assert tree(outside) == {"proxy.cfg": b"precious"}
        assert not (stack / "compose.yml").exists()

    def test_special_files_do_not_block(self, files: LocalFiles, stack: Path) -> None:
        """A fifo in the stack's folder is refused, not waited for."""
        os.mkfifo(stack / "compose.yml")
        with pytest.raises(NeedsOperator):
            files.read_stack_file("compose.yml")

    def test_reading_the_stack(self, files: LocalFiles, stack: Path) -> None:
        """What is not there, and what is a folder, reads as None."""
        (stack / "conf").mkdir()
        (stack / "a").write_bytes(b"x")
        read = [files.read_stack_file(path) for path in ("a", "b", "b/c", "conf")]
        assert read == [b"x", None, None, None]

    def test_overrides_have_one_path(self, files: LocalFiles) -> None:
        """Writing the same override leaves the file alone; another content replaces it."""
        path = files.write_override("pins.yml", b"a")
        inode = path.stat().st_ino
        assert files.write_override("pins.yml", b"a").stat().st_ino == inode
        assert files.write_override("pins.yml", b"b") == path
        assert path.read_bytes() == b"b"


def test_free_space_of_a_folder_still_to_come(files: LocalFiles, tmp_path: Path) -> None:
    """Free space is told of the file system that will hold a path."""
    status = os.statvfs(tmp_path)
    told = files.free_bytes(tmp_path / "not/yet/there")
    assert abs(told - status.f_bavail * status.f_frsize) < 1 << 30


class TestDiskFaults:
    """A full or failing disk needs a person, and says so."""

    @pytest.fixture
    def tiny(self, tmp_path: Path) -> Iterator[Path]:
        """A file system with 64 KiB."""
        mount = tmp_path / "tiny"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", mount], check=True)
        try:
            yield mount
        finally:
            subprocess.run(["umount", mount], check=True)

    def test_a_full_disk(self, tiny: Path) -> None:
        """Staging on a full disk fails with a code and leaves the earlier release whole."""
        (tiny / "stack").mkdir()
        files = LocalFiles(tiny / "state", tiny / "stack", tiny / "backups")
        files.stage("v1.0.0", ONE)
        files.lay("v1.0.0")
        with pytest.raises(NeedsOperator) as caught:
            files.stage("v2.0.0", {"compose.yml": b"x" * 100_000})
        assert caught.value.code == "disk.full"
        assert files.staged("v2.0.0") is None
        assert (files.staged("v1.0.0"), files.laid()) == (ONE, "v1.0.0")
