"""Where the agents of one machine have their things, each beside the others.

A machine with several stacks has an agent for each: an instance, named by the folder in which its
configuration lies. So whoever is given that file, by whatever way, finds the right state, and two
agents can never meet in one journal. Trust is the machine's, and the same for all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from koprogo_agent.errors import NeedsOperator

FOLDER = Path("/etc/koprogo-agent")
FILE = "config.toml"
DEFAULT = FOLDER / FILE
VARIABLE = "KOPROGO_AGENT_CONFIG"
"""Environment variable that names the configuration, where it is not the default one."""
VERBS = (
    *("backup", "check", "config", "demo", "doctor", "history", "hold", "plan", "report", "resume"),
    *("retry", "rollback", "run", "status", "update", "verify", "why"),
)
"""What people type after the program's name."""

_AGENT = "koprogo-agent"
_TYPED = re.compile(rf"\b{_AGENT} (?=(?:{'|'.join(VERBS)})\b)")
_UNIT = re.compile(rf"\b(systemctl [a-z -]*){_AGENT}(?![@\w-])")
# systemd takes these as they are, and they are folders' names.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TRUST = "trust"


def locate(path: Path | None = None) -> Path:
    """The configuration of this process: the given one, that of the environment, or the default."""
    return path or Path(os.environ.get(VARIABLE) or DEFAULT)


def configuration_of(instance: str) -> Path:
    """The file that makes an instance.

    Raises:
        NeedsOperator: that is no name for one (code `config.instance`).
    """
    if not _is_name(instance):
        raise NeedsOperator(
            f"{instance[:60]!r} is no name for an instance",
            code="config.instance",
            advice=f"take up to 32 of a-z, 0-9, - and _, and not {_TRUST!r}",
        )
    return FOLDER / instance / FILE


def instance_of(file: Path) -> str | None:
    """The instance that a configuration makes; None: the one without a name."""
    # However it is named, and also where the file there is a symlink to somewhere else.
    as_named = Path(os.path.abspath(file))  # noqa: PTH100 - `absolute` leaves .. in it
    for path in (as_named, Path(os.path.realpath(file))):  # unlike resolve, never raises
        name = path.parent.name
        if _is_name(name) and path == FOLDER / name / FILE:
            return name
    return None


def defaults_of(file: Path) -> dict[str, dict[str, str | bool]]:
    """Keys whose defaults are other ones for the instance that a configuration makes."""
    instance = instance_of(file)
    if instance is None:
        return {}
    state, run = f"/var/lib/{_AGENT}-{instance}", f"/run/{_AGENT}-{instance}"
    return {
        "state": {"directory": state, "run_directory": run},
        "backup": {"directory": f"{state}/backups"},
        # The agent without a name does it for all.
        "agent": {"update": False},
    }


def command(file: Path, words: str) -> str:
    """What to type for the agent whose configuration this is."""
    instance = instance_of(file)
    if instance is not None:
        return f"{_AGENT} --instance {instance} {words}"
    return f"{_AGENT} {words}" + ("" if file == DEFAULT else f" --config {file}")


def typed_here(text: str) -> str:
    """A text in which every command is one for the instance that this process is of.

    Most words come from where nobody knows that a machine has several; typed as they stand, they
    would reach the agent without a name, and another stack.
    """
    instance = instance_of(locate())
    if instance is None:
        return text
    typed = _TYPED.sub(f"{_AGENT} --instance {instance} ", text)
    return _UNIT.sub(rf"\1{_AGENT}@{instance}", typed)


def service(file: Path) -> str:
    """The service of the agent whose configuration this is, as systemd names it."""
    instance = instance_of(file)
    return _AGENT if instance is None else f"{_AGENT}@{instance}"


def _is_name(instance: str) -> bool:
    return _NAME.fullmatch(instance) is not None and instance != _TRUST
