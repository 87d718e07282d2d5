"""Root becomes the agent's user, for good, and nobody else changes."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.privileges import act_as_owner

PROGRAM = """
import json, os, sys
from pathlib import Path
from koprogo_agent.privileges import act_as_owner
act_as_owner(Path(sys.argv[1]))
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), os.environ["HOME"]]))
try:
    os.setuid(0)
except PermissionError:
    print("no way back")
"""


def test_root_goes_on_as_the_owner_of_the_state(tmp_path: Path) -> None:
    """What root wrote into it, the daemon could not change afterwards."""
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    users, groups, more, home = json.loads(said[0])
    assert users == [nobody.pw_uid] * 3
    assert groups == [nobody.pw_gid] * 3
    assert set(more) == set(os.getgrouplist("nobody", nobody.pw_gid))
    assert home == nobody.pw_dir
    assert said[1] == "no way back"


def test_a_user_whom_nobody_knows_is_told_of(tmp_path: Path) -> None:
    """As after a move to another server, or when somebody removed the agent's user."""
    os.chown(tmp_path, 54_321, 54_321)
    with pytest.raises(NeedsOperator, match="belongs to user 54321") as caught:
        act_as_owner(tmp_path)
    assert caught.value.code == "state.owner"


@pytest.mark.parametrize("name", ["", "missing"])
def test_root_stays_root_where_the_state_is_its_own_or_not_there(tmp_path: Path, name: str) -> None:
    """As on a machine where the agent has always run as root."""
    act_as_owner(tmp_path / name)
    assert os.geteuid() == tmp_path.stat().st_uid
