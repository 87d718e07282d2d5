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
show*Job*) echo "$JOB" ;;
show*ExecMainStatus*) echo 1 ;;
restart*) touch "$KOPROGO_AGENT_HOME/restarted" ;;
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


def failed(home: Path, state: str, job: str) -> None:
    """The service has failed, and systemd calls it."""
    env = {"PATH": f"{home}:{os.environ['PATH']}", "KOPROGO_AGENT_HOME": str(home)}
    subprocess.run(
        ["sh", str(RESCUE), "failed"], env={**env, "STATE": state, "JOB": job}, check=True
    )


def test_what_systemd_has_given_up_makes_way(home: Path) -> None:
    """It has failed again and again; the one before takes its place."""
    failed(home, "failed", "0")
    assert (home / "current").readlink() == Path("versions/0.1.0")
    assert (home / "quarantined").read_text().split() == ["0.2.0"]
    assert (home / "restarted").exists()


@pytest.mark.parametrize(("state", "job"), [("activating", "7"), ("failed", "7"), ("active", "0")])
def test_what_is_being_started_is_not_put_aside(home: Path, state: str, job: str) -> None:
    """A version on trial that fails while it is stopped is not the one that comes after it."""
    failed(home, state, job)
    assert (home / "current").readlink() == Path("versions/0.2.0")
    assert not (home / "quarantined").exists()
    assert not (home / "restarted").exists()
