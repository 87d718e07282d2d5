"""The agent's home on a real disk, with the power cut between any two changes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from koprogo_agent.adapters.versions import InstalledVersions
from koprogo_agent.domain.succession import Start, Trial, start_of
from koprogo_agent.errors import StepFailed

OLD, NEW = "1.0.0", "2.0.0"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two versions, of which the older one runs, and a third that nobody needs any more."""
    for version in ("0.9.0", OLD, NEW):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
    (tmp_path / "current").symlink_to(f"versions/{OLD}")
    return tmp_path


def own(home: Path, version: str) -> InstalledVersions:
    """The home as a version sees it that runs from there."""
    return InstalledVersions(home, version)


def program(path: Path, text: str) -> Path:
    """A program of somebody else's."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_trial_begins_and_is_blessed(home: Path) -> None:
    """The one before is kept to be gone back to, and none besides."""
    own(home, OLD).begin_trial(NEW)
    new = own(home, NEW)
    assert (new.current, new.trial) == (NEW, Trial(NEW, OLD))
    new.bless(OLD)
    assert (new.current, new.trial) == (NEW, None)
    assert (home / "previous").resolve().name == OLD
    assert {one.name for one in (home / "versions").iterdir()} == {OLD, NEW}


def test_a_version_steps_back(home: Path) -> None:
    """As the rescue would have it, but nobody is put aside."""
    own(home, OLD).begin_trial(NEW)
    own(home, NEW).step_back(OLD)
    old = own(home, OLD)
    assert (old.current, old.trial, old.put_aside) == (OLD, None, frozenset())


def after(number: int, change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Cuts the power after so many durable changes; tells whether it came to that."""
    left = number
    rename, unlink = os.rename, os.unlink

    def cut() -> None:
        nonlocal left
        if not left:
            raise PowerCut
        left -= 1

    def counted_rename(*words: object, **more: object) -> None:
        cut()
        rename(*words, **more)  # type: ignore[arg-type]

    def counted_unlink(*words: object, **more: object) -> None:
        cut()
        unlink(*words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", counted_rename)
        patched.setattr(os, "unlink", counted_unlink)
        try:
            change()
        except PowerCut:
            return True
    return False


class PowerCut(BaseException):
    """Nothing comes after it."""


@pytest.mark.parametrize("number", range(8))
def test_after_a_power_cut_the_version_that_starts_knows_where_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """There is always one to start; NEW runs without a trial only if it was blessed."""
    cut = after(number, lambda: own(home, OLD).begin_trial(NEW), monkeypatch)
    started = own(home, OLD).current
    assert started in {OLD, NEW}
    start = start_of(started, own(home, started).trial)
    assert start is Start.ON_TRIAL if started == NEW else start is not Start.ON_TRIAL
    assert cut or started == NEW


@pytest.mark.parametrize("number", range(8))
def test_a_blessing_that_was_cut_off_is_one_or_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The trial ends last: until then the rescue may still put the version back."""
    own(home, OLD).begin_trial(NEW)
    after(number, lambda: own(home, NEW).bless(OLD), monkeypatch)
    new = own(home, NEW)
    assert new.current == NEW
    if new.trial is None:
        assert (home / "previous").resolve().name == OLD
    else:
        assert start_of(NEW, new.trial) is Start.ON_TRIAL
    assert (home / "versions" / OLD).is_dir()


def test_what_the_rescue_wrote_is_read(home: Path) -> None:
    """One version a line; it writes an empty one first."""
    (home / "quarantined").write_text(f"\n{NEW}\n0.9.0\n")
    assert own(home, OLD).put_aside == {NEW, "0.9.0"}


def test_links_that_lead_nowhere_are_no_version(tmp_path: Path) -> None:
    """The daemon goes on as it is."""
    assert own(tmp_path, OLD).current is None


def test_room_is_empty_whatever_was_left_there(home: Path) -> None:
    """A version that was cut off half-way is begun anew, and everybody may read it."""
    before = os.umask(0o077)
    try:
        room = own(home, OLD).room(NEW)
    finally:
        os.umask(before)
    assert list(room.iterdir()) == []
    assert room.stat().st_mode & 0o777 == 0o755


def test_what_cannot_be_put_together_says_why(home: Path, tmp_path: Path) -> None:
    """The last line is what people are told."""
    failing = program(tmp_path / "assemble", "echo one; echo 'no such wheel' >&2; exit 1")
    with pytest.raises(StepFailed, match="no such wheel") as caught:
        InstalledVersions(home, OLD, failing).assemble(NEW)
    assert caught.value.code == "agent.assemble"


def test_a_version_tries_itself_without_the_daemons_own_variables(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it told systemd would be taken for the daemon's word."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    monkeypatch.setenv("KOPROGO_AGENT_CONFIG", "/etc/other.toml")
    said = home / "said"
    program(home / "versions" / NEW / "bin/koprogo-agent", f'echo "$*" >{said}; env >>{said}')
    own(home, OLD).try_out(NEW, home / "journal.db")
    text = said.read_text()
    assert text.startswith(f"try --as {NEW} --journal {home / 'journal.db'}\n")
    assert "KOPROGO_AGENT_CONFIG=/etc/other.toml" in text
    assert "NOTIFY" not in text
    assert "WATCHDOG" not in text


def test_a_version_that_cannot_work_here_is_unfit(home: Path) -> None:
    """Its last words are what people are told."""
    program(home / "versions" / NEW / "bin/koprogo-agent", "echo 'ModuleNotFoundError' >&2; exit 1")
    with pytest.raises(StepFailed, match="ModuleNotFoundError"):
        own(home, OLD).try_out(NEW, home / "journal.db")


def test_only_names_of_versions_are_removed(home: Path) -> None:
    """Whatever a file said."""
    with pytest.raises(ValueError, match="no version's name"):
        own(home, OLD).forget("../versions")


def test_assemble_says_which_python_it_would_take() -> None:
    """The installer asks it."""
    script = Path(__file__).parents[2] / "systemd/assemble"
    done = subprocess.run([script, "python"], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).name.startswith("python3")
