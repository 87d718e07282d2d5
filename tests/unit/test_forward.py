"""`config migrate`: the operator's own file, written as today writes it and otherwise as it was."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import tomllib
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent import __version__
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.main import run
from koprogo_agent.durable import Folder
from koprogo_agent.settings import find_older
from koprogo_agent.settings.changes import carry
from koprogo_agent.setup import forward
from koprogo_agent.setup.rewriting import rewrite
from tests.unit.test_changes import HISTORY

OLD = """\
# our house, written by Anne

[source]   # where from
url = "https://example.org/r.git"
# as often as it goes
interval = 0.5  # Anne: the demo is impatient

# nobody touches this
[gate]
samples  =  5
"""
NEW = OLD.replace("interval = 0.5", "interval = 1")

OF_EVERY_KIND = """\
# head
[timing] # when
# how often
poll = 9 # nine
patience = [ # long
  3, # three
]
# below

# the source
[source]
url = 'u'  # where

# the last
[policy]
  'drift'   =   "mend"
[trust]
keys = '/k' # without an end of line"""
CARRIED = """\
# head
# when
# timing.patience is not heeded since 0.4.0: the gate has a deadline: gate.deadline
# patience = [ # long
#   3, # three
# ]
# below

# the source
[source]
url = 'u'  # where
# how often
interval = 9 # nine

# the last
[policy]
  'drift'   =   "heal"
[trust]
directory = '/k' # without an end of line
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration of an older form."""
    path = tmp_path / "config.toml"
    path.write_text(OLD)
    path.chmod(0o640)
    return path


def migrate(file: Path) -> int:
    """What the operator types."""
    return run(["config", "migrate", "--config", str(file)])


def test_the_file_is_of_today_and_otherwise_as_it_was(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comments, order and spaces; the one before is beside it, and it is said what was done."""
    assert migrate(file) == Exit.DONE
    out = capsys.readouterr().out
    assert file.read_text() == NEW
    assert not find_older(file)
    kept = file.with_name(f"config.toml.before-{__version__}")
    assert kept.read_text() == OLD
    assert "source.interval is read otherwise since 0.1.0" in out
    assert f"as it was before: {kept}" in out


def test_owner_and_mode_stay(file: Path) -> None:
    """The daemon reads it by its group, and it may hold secrets: as may the one before."""
    nobody = pwd.getpwnam("nobody")
    os.chown(file, 0, nobody.pw_gid)
    migrate(file)
    for path in (file, file.with_name(f"config.toml.before-{__version__}")):
        stat = path.stat()
        assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (0, nobody.pw_gid, 0o640)


def test_a_file_of_today_is_left_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Typed twice, it does nothing the second time."""
    migrate(file)
    before = stand(file.parent)
    assert migrate(file) == Exit.DONE
    assert "nothing to do" in capsys.readouterr().out
    assert stand(file.parent) == before


def stand(folder: Path) -> dict[Path, tuple[int, int]]:
    """Which file each name is, and when it was written."""
    found = {path: path.stat() for path in folder.iterdir()}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def test_no_file_of_the_same_name_is_overwritten(file: Path) -> None:
    """What is kept is the operator's; a power cut in between leaves no second copy."""
    kept = file.with_name(f"config.toml.before-{__version__}")
    kept.write_text("of the operator's\n")
    migrate(file)
    second = kept.with_name(f"{kept.name}-1")
    assert (kept.read_text(), second.read_text()) == ("of the operator's\n", OLD)
    file.write_text(OLD)
    migrate(file)
    assert len(list(file.parent.iterdir())) == 3


def test_it_is_written_whole_or_not_at_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, or a power cut: the older file stays in force."""

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    assert migrate(file) == Exit.OPERATOR
    assert file.read_text() == OLD


def test_a_symlink_stays_one(file: Path) -> None:
    """Some keep the file in a repository of their own."""
    link = file.with_name("link.toml")
    link.symlink_to(file)
    migrate(link)
    assert link.is_symlink()
    assert file.read_text() == NEW


def test_faults_are_told_before_anything_is_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the file means must be certain before it is written otherwise."""
    file.write_text(f"{OLD}wrong = 1\n")
    assert migrate(file) == Exit.USAGE
    assert "gate.wrong: there is no such key" in capsys.readouterr().err
    assert len(list(file.parent.iterdir())) == 1


def test_what_cannot_be_rewritten_is_told_and_left(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that does not mean what was read is never put in force."""
    monkeypatch.setattr(forward, "rewrite", lambda text, _edits: text)
    assert migrate(file) == Exit.USAGE
    assert "source.interval is read otherwise" in capsys.readouterr().err
    assert file.read_text() == OLD


def test_another_user_is_told_to_be_root() -> None:
    """As with every verb that is root's."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "config.toml").write_text(OLD)
        program = (
            "import os, sys; from koprogo_agent.cli import app, main;"
            f"os.setuid({pwd.getpwnam('nobody').pw_uid});"
            f"sys.exit(main.run(['config', 'migrate', '-c', '{folder}/config.toml']))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == Exit.OPERATOR
    assert b"type: sudo koprogo-agent config migrate -c" in done.stderr


def test_each_kind_of_change_is_written_where_it_belongs() -> None:
    """Comments go with their key; a key that is not heeded any more stays as a comment."""
    edits = carry(tomllib.loads(OF_EVERY_KIND), HISTORY).edits
    assert rewrite(OF_EVERY_KIND, edits) == CARRIED


@pytest.mark.parametrize(
    "text",
    [
        "timing.poll = 9\ntiming.patience = 3 # a\ntrust.keys = '/k'\n",
        "source = { url = 'x' }\ntiming = { poll = 3, patience = 4 }\ntrust = { keys = '/x' }\n",
        '[timing]\r\n"poll" = 3\r\n[source]\r\n# end\r\n',
        "[timing]\npoll = 3\n[[probe]]\nname = 'a'\n[probe.contains]\na = 'b'\n",
    ],
)
def test_however_toml_lets_one_write_it(text: str) -> None:
    """It means afterwards what it was read as."""
    carried = carry(tomllib.loads(text), HISTORY)
    assert carried.edits
    assert tomllib.loads(rewrite(text, carried.edits)) == carried.document


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file with keys old and new, and a comment wherever one can be."""
    number = count()

    def comment() -> str:
        return f"# c{next(number)}."

    keys = {
        "timing": ["poll", "patience", "x"],
        "source": ["pause", "url", "timeout"],
        "trust": ["keys", "product"],
        "policy": ["drift", "windows"],
    }
    values = st.sampled_from(["'mend'", "3", "[\n  1, # one\n  2,\n]", "{ a = 'b' }"])
    lines = [comment()]
    for section in draw(st.permutations(sorted(keys))):
        lines += ["", comment(), f"[{section}] {comment()}"]
        for name in draw(st.lists(st.sampled_from(keys[section]), unique=True)):
            lines += [comment() for _ in range(draw(st.integers(0, 2)))] + [""] * draw(
                st.integers(0, 1)
            )
            lines.append(f"{name} = {draw(values)} {comment()}")
    return "\n".join(lines)


@given(texts())
def test_no_comment_is_lost_and_no_meaning(text: str) -> None:
    """Whatever stands where: what it was read as is what is written."""
    carried = carry(tomllib.loads(text), HISTORY)
    if carried.conflicts:
        return
    after = rewrite(text, carried.edits)
    assert tomllib.loads(after) == carried.document
    assert sorted(re.findall(r"# c\d+\.", after)) == sorted(re.findall(r"# c\d+\.", text))
    if not carried.edits:
        assert after == f"{text}\n"


def test_the_daemon_does_not_load_what_only_this_verb_needs(file: Path) -> None:
    """Nor do the other verbs."""
    program = (
        "import sys; from koprogo_agent.cli import run, app;"
        "from koprogo_agent.settings import load; from pathlib import Path;"
        f"load(Path({str(file)!r})); print('tomlkit' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout.strip() == b"False"


def test_a_file_like_another(tmp_path: Path) -> None:
    """Its content is new, its owner and mode are the other's."""
    (tmp_path / "a").touch(0o604)
    Folder(tmp_path, 0o755).write_like("b", b"x", (tmp_path / "a").stat())
    assert ((tmp_path / "b").read_bytes(), (tmp_path / "b").stat().st_mode & 0o777) == (b"x", 0o604)
