"""Root acts as the agent's own user: what root wrote, the daemon could not change afterwards."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from koprogo_agent.errors import NeedsOperator


def act_as_owner(directory: Path) -> None:
    """Turns root into the user to whom a folder belongs, with all groups of that user.

    Nothing changes for anybody else, nor where the folder is root's own or not there yet. There is
    no way back: the process and its children are that user from here on.

    Raises:
        NeedsOperator: this machine does not know that user (code `state.owner`).
    """
    if os.geteuid() != 0 or not directory.exists():
        return
    owner = directory.stat().st_uid
    if owner == 0:
        return
    try:
        user = pwd.getpwuid(owner)
    except KeyError:
        raise NeedsOperator(
            f"{directory} belongs to user {owner}, whom this machine does not know",
            code="state.owner",
            advice="type install.sh again, or give the folder to the agent's user: chown -R",
        ) from None
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(owner, owner, owner)
    # Git, GnuPG and Docker look for their files where HOME says.
    os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
