"""The trust directory: what is read, and whom it must be guarded against."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from koprogo_agent.adapters.anchor import REVOKED, ROOT, TrustDirectory
from koprogo_agent.domain.envelope import MAX_BYTES
from koprogo_agent.errors import NeedsOperator
from tests.simulation.signing import fingerprint

SSH, GPG, LONG_GPG = fingerprint("ann"), "AB" * 20, "0123456789ABCDEF" * 4
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trust directory with a trust root, in a folder that nobody else may write to."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "trust"
    folder.mkdir(mode=0o755)
    put(folder, ROOT, b"the root")
    return folder


def put(folder: Path, name: str, content: bytes) -> Path:
    """Writes a file, whatever the umask."""
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o644)
    return path


def complaint(ask: Callable[[], object]) -> NeedsOperator:
    """What the operator is told."""
    with pytest.raises(NeedsOperator) as caught:
        ask()
    assert caught.value.advice
    return caught.value


def test_the_trust_root_is_read_as_it_is(folder: Path) -> None:
    """Bytes: whether they are a trust root is not decided here."""
    assert TrustDirectory(folder).pinned() == b"the root"
    put(folder, ROOT, b"\xff\n")
    assert TrustDirectory(folder).pinned() == b"\xff\n"


def test_the_directory_is_read_anew_each_time(folder: Path) -> None:
    """What the operator revokes counts at once, without a restart."""
    directory = TrustDirectory(folder)
    assert directory.revoked() == frozenset()
    put(folder, REVOKED, SSH.encode())
    assert directory.revoked() == {SSH}
    (folder / REVOKED).unlink()
    assert directory.revoked() == frozenset()


@pytest.mark.parametrize("absent", ["", "nowhere", "nowhere/at/all", f"{ROOT}/below"])
def test_without_a_trust_root_the_operator_is_told_where_to_put_it(
    folder: Path, absent: str
) -> None:
    """The file or the whole directory is missing; that nothing is revoked needs no file."""
    if not absent:
        (folder / ROOT).unlink()
    empty = TrustDirectory(folder / absent)
    error = complaint(empty.pinned)
    assert (error.code, str(folder / absent / ROOT) in error.advice) == ("trust.empty", True)
    assert empty.revoked() == frozenset()


def test_what_cannot_be_read_is_told_with_the_reason(folder: Path) -> None:
    """Here a path that no file system has; it is the same for a disk that fails."""
    broken = TrustDirectory(folder / ("x" * 300))
    for ask in (broken.pinned, broken.revoked):
        error = complaint(ask)
        assert (error.code, "name too long" in error.message) == ("trust.unreadable", True)


def test_other_files_of_the_directory_do_not_matter(folder: Path) -> None:
    """Nor who may write to them: a note beside is no key."""
    put(folder, "README", b"hello").chmod(0o666)
    put(folder, "release.pub", b"ssh-ed25519 AAAA")
    assert TrustDirectory(folder).pinned() == b"the root"
    assert TrustDirectory(folder).revoked() == frozenset()


# --- what is revoked


def test_fingerprints_are_read_one_a_line(folder: Path) -> None:
    """Of SSH and of GPG, with comments and blank lines between and behind them."""
    lines = [f"# stolen in May\n{SSH}  # ann's laptop", "", "   ", f"\t{GPG}", f"{LONG_GPG}\r", "#"]
    put(folder, REVOKED, "\n".join(lines).encode())
    assert TrustDirectory(folder).revoked() == {SSH, GPG, LONG_GPG}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing yet\n"])
def test_a_file_without_a_fingerprint_revokes_nothing(folder: Path, content: bytes) -> None:
    """It may lie there from the beginning."""
    put(folder, REVOKED, content)
    assert TrustDirectory(folder).revoked() == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        "ann",
        SSH[:-1],
        f"{SSH}A",
        f"{SSH}=",
        SSH.removeprefix("SHA256:"),
        SSH.lower(),
        f"MD5:{'00:' * 15}00",
        GPG.lower(),
        GPG[:-1],
        f"{GPG}A",
        f"0x{GPG}",
        " ".join(GPG[at : at + 4] for at in range(0, 40, 4)),
        GPG[-16:],
        f"{SSH} {GPG}",
        f"{SSH},{GPG}",
        "ssh-ed25519 AAAA",
        "\x1b[2J",
        "\ufffd",
    ],
)
def test_a_line_that_is_no_fingerprint_stops_everything(folder: Path, line: str) -> None:
    """One that was mistyped must not be ignored; the operator is told which line it is."""
    put(folder, REVOKED, f"# two good ones\n{SSH}\n{line}\n{GPG}\n".encode())
    error = complaint(TrustDirectory(folder).revoked)
    assert error.code == "trust.malformed"
    assert f"line 3 of {folder / REVOKED}" in error.message
    assert error.message.isprintable()
    assert TrustDirectory(folder).pinned() == b"the root"


def test_bytes_that_are_no_text_are_no_fingerprint(folder: Path) -> None:
    """Nothing of such a file can be believed."""
    put(folder, REVOKED, b"\xff\xfe" + SSH.encode())
    assert complaint(TrustDirectory(folder).revoked).code == "trust.malformed"


# --- who may write


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o777])
@pytest.mark.parametrize("name", [ROOT, REVOKED])
def test_a_file_that_others_may_write_is_refused(folder: Path, name: str, mode: int) -> None:
    """Group or all: each would do to change a key, or to take a revocation back."""
    put(folder, REVOKED, SSH.encode())
    path = folder / name
    path.chmod(mode)
    directory = TrustDirectory(folder)
    error = complaint(directory.pinned if name == ROOT else directory.revoked)
    assert (error.code, error.advice) == ("trust.writable", f"chmod go-w {path}")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("above", [0, 1])
def test_a_folder_that_others_may_write_is_refused(folder: Path, mode: int, above: int) -> None:
    """The trust directory and what is above it: each would do to put another file there."""
    put(folder, REVOKED, SSH.encode())
    path = (folder, *folder.parents)[above]
    path.chmod(mode)
    for ask in (TrustDirectory(folder).pinned, TrustDirectory(folder).revoked):
        error = complaint(ask)
        assert (error.code, error.advice) == ("trust.writable", f"chmod go-w {path}")
    path.chmod(0o755)
    assert TrustDirectory(folder).pinned()


def test_where_others_cannot_take_away_what_is_not_theirs_they_may_write(folder: Path) -> None:
    """The sticky bit of /tmp; on a file it means nothing."""
    folder.parent.chmod(0o1777)
    assert TrustDirectory(folder).pinned() == b"the root"
    (folder / ROOT).chmod(0o1646)
    assert complaint(TrustDirectory(folder).pinned).code == "trust.writable"


def test_what_all_may_read_is_no_secret(folder: Path) -> None:
    """Public keys: only writing matters."""
    (folder / ROOT).chmod(0o444)
    folder.chmod(0o555)
    assert TrustDirectory(folder).pinned() == b"the root"
    folder.chmod(0o755)


@AS_ROOT
@pytest.mark.parametrize("above", [-1, 0, 1])
def test_what_belongs_to_another_user_is_refused(folder: Path, above: int) -> None:
    """Its owner could change it at any time."""
    path = folder / ROOT if above < 0 else (folder, *folder.parents)[above]
    os.chown(path, 12345, -1)
    error = complaint(TrustDirectory(folder).pinned)
    assert (error.code, error.advice) == ("trust.writable", f"chown root {path}")
    assert "uid 12345" in error.message
    os.chown(path, 0, -1)
    assert TrustDirectory(folder).pinned()


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_trust_directory_that_is_reached_through_a_link_is_refused(
    folder: Path, tmp_path: Path, below: str
) -> None:
    """Whoever may write where the link lies could lead it to a folder of their own."""
    (tmp_path / "link").symlink_to(folder.parent if below else folder)
    directory = TrustDirectory(tmp_path / "link" / (folder.name if below else ""))
    for ask in (directory.pinned, directory.revoked):
        error = complaint(ask)
        assert (error.code, str(folder) in error.advice) == ("trust.link", True)


def test_a_link_to_itself_is_told_as_any_other(tmp_path: Path) -> None:
    """The agent says what is wrong, and does not end."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    directory = TrustDirectory(tmp_path / "loop")
    assert complaint(directory.pinned).code in {"trust.link", "trust.unreadable"}
    assert complaint(directory.revoked)


# --- what is a file


@pytest.mark.parametrize("name", [ROOT, REVOKED])
def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    """What it leads to may be anybody's to write tomorrow."""
    (folder / ROOT).unlink()
    (folder / name).symlink_to(put(tmp_path, "elsewhere", SSH.encode()))
    directory = TrustDirectory(folder)
    error = complaint(directory.pinned if name == ROOT else directory.revoked)
    assert (error.code, "not a link" in error.advice) == ("trust.malformed", True)


@pytest.mark.parametrize("target", ["nowhere", REVOKED])
def test_a_link_that_leads_nowhere_does_not_mean_that_nothing_is_revoked(
    folder: Path, target: str
) -> None:
    """What cannot be read must not be ignored."""
    (folder / REVOKED).symlink_to(target)
    assert complaint(TrustDirectory(folder).revoked).code == "trust.malformed"


@pytest.mark.parametrize("name", [ROOT, REVOKED])
def test_a_folder_or_a_pipe_in_place_of_a_file_is_refused(folder: Path, name: str) -> None:
    """And is not waited for."""
    (folder / ROOT).unlink()
    directory = TrustDirectory(folder)
    ask = directory.pinned if name == ROOT else directory.revoked
    os.mkfifo(folder / name, 0o644)
    assert complaint(ask).code == "trust.malformed"
    (folder / name).unlink()
    (folder / name).mkdir(mode=0o755)
    assert complaint(ask).code == "trust.malformed"


@pytest.mark.parametrize("name", [ROOT, REVOKED])
def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_refused(
    folder: Path, name: str
) -> None:
    """Not a byte of it is read."""
    directory = TrustDirectory(folder)
    ask = directory.pinned if name == ROOT else directory.revoked
    put(folder, name, b"#" * MAX_BYTES)
    assert ask() in (b"#" * MAX_BYTES, frozenset())
    put(folder, name, b"#" * (MAX_BYTES + 1))
    error = complaint(ask)
    assert (error.code, f"at most {MAX_BYTES} bytes" in error.message) == ("trust.malformed", True)
