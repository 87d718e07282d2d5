"""What the rescue does when systemd calls it: the script itself, beside a systemctl of our own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

RESCUE = Path(__file__).parents[2] / "systemd/rescue"
SYSTEMCTL = """#!/bin/sh
case $* in
show*ActiveState*) echo "$STATE" ;;
show*Result*) echo "${RESULT:-exit-code}" ;;
show*Job*) echo "$JOB" ;;
show*ExecMainStatus*) echo 1 ;;
show*NRestarts*) echo "${RESTARTS:-1}" ;;
show*Watchdog*) echo "${HEARD:-0}" ;;
restart*) touch "$KOPROGO_AGENT_HOME/restarted" ;;
kill*) touch "$KOPROGO_AGENT_HOME/killed" ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two versions, of which the newer one runs; it was blessed."""
    for version in ("0.1.0", "0.2.0"):
        folder = tmp_path / "versions" / version / "bin"
        folder.mkdir(parents=True)
        for program in ("koprogo-agent", "python"):
            (folder / program).write_text("#!/bin/sh\n")
            (folder / program).chmod(0o755)
    (tmp_path / "current").symlink_to("versions/0.2.0")
    (tmp_path / "previous").symlink_to("versions/0.1.0")
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    return tmp_path


def called(home: Path, why: str, **told: str) -> str:
    """Systemd calls it, and would tell it these things of the service; what it says."""
    env = {
        "PATH": f"{home}:{os.environ['PATH']}",
        "KOPROGO_AGENT_HOME": str(home),
        "KOPROGO_AGENT_PATIENCE": "0",
        "KOPROGO_AGENT_PAUSE": "0",
    }
    words = ["sh", str(RESCUE), why]
    done = subprocess.run(words, env={**env, **told}, check=True, capture_output=True, text=True)
    return done.stdout


def test_what_systemd_has_given_up_makes_way(home: Path) -> None:
    """It has failed again and again; the one before takes its place."""
    called(home, "failed", STATE="failed", JOB="0", RESTARTS="5")
    assert (home / "current").readlink() == Path("versions/0.1.0")
    assert (home / "quarantined").read_text().split() == ["0.2.0"]
    assert (home / "restarted").exists()


@pytest.mark.parametrize(("state", "job"), [("activating", "7"), ("failed", "7"), ("active", "0")])
def test_what_is_being_started_is_not_put_aside(home: Path, state: str, job: str) -> None:
    """A version on trial that fails while it is stopped is not the one that comes after it."""
    called(home, "failed", STATE=state, JOB=job, RESTARTS="5")
    assert (home / "current").readlink() == Path("versions/0.2.0")
    assert not (home / "quarantined").exists()
    assert not (home / "restarted").exists()


def test_what_was_told_to_stop_and_ended_badly_stays_stopped(home: Path) -> None:
    """An operator stops it, and it has to be killed in the end: no version is at fault."""
    called(home, "failed", STATE="failed", JOB="0", RESTARTS="0")
    assert (home / "current").readlink() == Path("versions/0.2.0")
    assert not (home / "restarted").exists()


def test_what_was_started_by_hand_too_often_is_started_again(home: Path) -> None:
    """Somebody tries out a configuration, and systemd refuses the sixth start; nothing is bad."""
    called(home, "failed", STATE="failed", JOB="0", RESTARTS="0", RESULT="start-limit-hit")
    assert (home / "current").readlink() == Path("versions/0.2.0")
    assert not (home / "quarantined").exists()
    assert (home / "restarted").exists()


@pytest.mark.parametrize(
    ("state", "heard", "is_bad"),
    [("active", True, False), ("active", False, True), ("x", True, True)],
)
def test_a_version_that_lives_is_put_back_and_not_aside(
    home: Path, state: str, *, heard: bool, is_bad: bool
) -> None:
    """What tells its watchdog nothing hangs, and is killed: systemd would wait for minutes."""
    (home / "trial").write_text("0.2.0 0.1.0\n")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    called(home, "trial", STATE=state, HEARD=str(int(uptime * 1e6)) if heard else "0")
    assert (home / "current").readlink() == Path("versions/0.1.0")
    assert not (home / "trial").exists()
    assert (home / "restarted").exists()
    assert ((home / "quarantined").exists(), (home / "killed").exists()) == (is_bad, is_bad)


def test_a_trial_that_ends_is_not_waited_for(home: Path) -> None:
    """Another may begin, and has its own time; the test's own limit is shorter than this one's."""
    (home / "trial").write_text("0.2.0 0.1.0\n")
    env = {"PATH": f"{home}:{os.environ['PATH']}", "KOPROGO_AGENT_HOME": str(home)}
    with subprocess.Popen(["sh", str(RESCUE), "trial"], env={**env, "STATE": "active"}) as watching:
        (home / "trial").unlink()
        assert watching.wait(30) == 0
    assert (home / "current").readlink() == Path("versions/0.2.0")


def test_with_nothing_to_go_back_to_it_is_started_again(home: Path) -> None:
    """For ever, if it must be: nobody else would."""
    (home / "previous").unlink()
    called(home, "failed", STATE="failed", JOB="0", RESTARTS="5")
    assert (home / "current").readlink() == Path("versions/0.2.0")
    assert (home / "restarted").exists()


def test_a_version_that_is_gone_is_not_put_together(home: Path) -> None:
    """Its folder is missing: no other file is touched, and the start is tried again later."""
    (home / "versions/0.2.0").rename(home / "versions/0.2.0.away")
    (home / "previous").unlink()
    there = sorted(home.rglob("*"))
    said = called(home, "failed", STATE="failed", JOB="0", RESTARTS="5")
    assert "put together" not in said
    assert "the next try is in" in said
    assert sorted(home.rglob("*")) == sorted([*there, home / "restarted"])


def test_a_version_that_is_gone_makes_way(home: Path) -> None:
    """Nothing is known against it: it is not put aside."""
    (home / "versions/0.2.0").rename(home / "versions/0.2.0.away")
    assert "version 0.2.0 is gone" in called(home, "failed", STATE="failed", JOB="0", RESTARTS="5")
    assert (home / "current").readlink() == Path("versions/0.1.0")
    assert not (home / "quarantined").exists()
    assert (home / "restarted").exists()


def test_a_trial_that_has_ended_is_left_alone(home: Path) -> None:
    """The version has blessed itself just now."""
    called(home, "trial", STATE="active")
    assert (home / "current").readlink() == Path("versions/0.2.0")


def test_a_trial_that_names_nothing_to_go_back_to_is_forgotten(home: Path) -> None:
    """Whatever a power cut left in the file."""
    (home / "trial").write_text("0.2.0\n")
    called(home, "trial", STATE="active")
    assert (home / "current").readlink() == Path("versions/0.2.0")
    assert not (home / "trial").exists()
