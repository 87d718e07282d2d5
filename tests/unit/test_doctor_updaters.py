"""Other updaters on a machine: systemd units, loops and cron, as files of a folder show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from koprogo_agent.doctor.finding import Finding, Level
from koprogo_agent.doctor.updaters import StackNames, find_updaters

NAMES = StackNames(("/opt/koprogo",), "koprogo")
UNIT = "etc/systemd/system/koprogo-gitops.service"
SCRIPT = "/opt/koprogo/infrastructure/_shared/scripts/gitops-deploy.sh"
SERVICE = f"[Service]\nExecStart={SCRIPT} watch\n"
IN_UNIT = "0::/system.slice/koprogo-gitops.service\n"
IN_SESSION = "0::/user.slice/user-0.slice/session-1.scope\n"
UP = "docker compose -f base.yml up -d"


def found(root: Path, files: Mapping[str, str]) -> list[Finding]:
    """What is found on a machine with these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return list(find_updaters(root, NAMES))


def only(root: Path, files: Mapping[str, str]) -> Finding:
    """The one fault of them."""
    (one,) = found(root, files)
    assert (one.level, one.what) == (Level.FAULT, "old updater")
    return one


def enable(root: Path, name: str) -> None:
    """Links the unit as `systemctl enable` does."""
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / name).symlink_to(f"/etc/systemd/system/{name}")


def process(pid: int, *words: str, group: str = IN_SESSION) -> dict[str, str]:
    """The files of a process."""
    return {f"proc/{pid}/cmdline": "\0".join((*words, "")), f"proc/{pid}/cgroup": group}


def test_a_machine_without_one_is_told_nothing_of(tmp_path: Path) -> None:
    """Nor is the agent's own service, or a unit that is there and off."""
    files = {
        UNIT: SERVICE,
        "etc/systemd/system/koprogo-agent.service": "[Service]\nExecStart=koprogo-agent run\n",
        **process(7, "/bin/bash", "backup.sh"),
        "etc/crontab": "17 * * * * root run-parts /etc/cron.hourly\n",
    }
    enable(tmp_path, "koprogo-agent.service")
    assert found(tmp_path, files) == []
    assert list(find_updaters(tmp_path / "empty", NAMES)) == []


@pytest.mark.parametrize("folder", ["etc/systemd/system", "lib/systemd/system"])
def test_an_enabled_unit_is_named_with_what_ends_it(tmp_path: Path, folder: str) -> None:
    """Also where it does not run now: it would after the next start of the machine."""
    enable(tmp_path, "koprogo-gitops.service")
    one = only(tmp_path, {f"{folder}/koprogo-gitops.service": SERVICE})
    assert one.found.startswith("koprogo-gitops.service is enabled:")
    assert one.advice == "systemctl disable --now koprogo-gitops"


def test_a_running_unit_is_told_once(tmp_path: Path) -> None:
    """Its processes are its own, and end with it."""
    running = {
        **process(41, "/bin/bash", SCRIPT, "watch", group=IN_UNIT),
        **process(42, "/bin/bash", SCRIPT, "watch", group=IN_UNIT),
    }
    one = only(tmp_path, {UNIT: SERVICE, **running})
    assert one.found.startswith("koprogo-gitops.service is running:")


def test_a_unit_of_another_name_is_known_by_what_it_starts(tmp_path: Path) -> None:
    """Operators rename things."""
    enable(tmp_path, "site.service")
    one = only(tmp_path, {"etc/systemd/system/site.service": SERVICE})
    assert one.advice == "systemctl disable --now site"


def test_a_timer_is_named_in_full(tmp_path: Path) -> None:
    """Without its ending systemctl would take it for the service."""
    enable(tmp_path, "koprogo-gitops.timer")
    one = only(tmp_path, {"etc/systemd/system/koprogo-gitops.timer": "[Timer]\n"})
    assert one.advice == "systemctl disable --now koprogo-gitops.timer"


def test_a_masked_unit_is_off(tmp_path: Path) -> None:
    """It is a link to nothing."""
    (tmp_path / UNIT).parent.mkdir(parents=True)
    (tmp_path / UNIT).symlink_to("/dev/null")
    enable(tmp_path, "koprogo-gitops.service")
    assert found(tmp_path, {}) == []


def test_a_loop_in_a_terminal_is_found(tmp_path: Path) -> None:
    """By its command line; one that only looks is let be."""
    files = {
        **process(9, "bash", "./gitops-deploy.sh", "status"),
        **process(51, "bash", "./gitops-deploy.sh", "watch"),
        **process(50, "/bin/bash", SCRIPT),
        **process(52, "vim", "gitops-deploy.sh"),
    }
    one = only(tmp_path, files)
    assert "process 50, 51" in one.found
    assert one.advice == "kill 50 51; then end what starts it"


@pytest.mark.parametrize(
    "command",
    [
        f"root {SCRIPT} deploy",
        f"root cd /opt/koprogo && {UP}",
        "root docker-compose -f /opt/koprogo/base.yml up -d",
        "root docker compose --project-name=koprogo up -d --wait",
        "root cd /srv/clone && make deploy-prod-vps",
    ],
)
def test_a_line_of_cron_is_named_by_its_number(tmp_path: Path, command: str) -> None:
    """And not repeated: it may hold a secret."""
    table = f"# stack\nSHELL=/bin/sh\n*/3 * * * * {command}\n"
    one = only(tmp_path, {"etc/cron.d/koprogo": table})
    assert one.found == "line 3 of /etc/cron.d/koprogo starts the stack"
    assert one.advice == "sed -i '3s/^/# /' /etc/cron.d/koprogo"


def test_a_crontab_of_a_user_is_edited_as_such(tmp_path: Path) -> None:
    """Cron notices a change only when crontab makes it."""
    one = only(tmp_path, {"var/spool/cron/crontabs/ann": f"@daily {SCRIPT}\n"})
    assert one.advice == "crontab -u ann -e, and take line 1 out"


def test_a_script_that_cron_runs_is_switched_off(tmp_path: Path) -> None:
    """The folder may stand in another line than the command."""
    one = only(tmp_path, {"etc/cron.daily/up": f"#!/bin/sh\ncd /opt/koprogo\n{UP}\n"})
    assert one.advice == "chmod -x /etc/cron.daily/up"


@pytest.mark.parametrize(
    "command",
    [
        f"# {SCRIPT} deploy",
        f"cd /opt/koprogo-test && {UP}",
        "docker compose -p koprogo-test up -d",
        "cd /opt/koprogo && docker compose ps",
        f"cd /srv/wiki && {UP}",
    ],
)
def test_other_stacks_and_other_commands_are_let_be(tmp_path: Path, command: str) -> None:
    """Nobody is told to end what does no harm."""
    assert found(tmp_path, {"var/spool/cron/crontabs/ann": f"{command}\n"}) == []
