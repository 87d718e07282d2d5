"""Other updaters: whatever else starts the stack would undo what the agent has done.

KoproGo's own updater from before the agent follows a branch. It runs `docker compose up -d` with
the `IMAGE_TAG` of `.env`, whose images cannot start on a database that a newer release has
migrated. Each is named with what a person types to end it; the agent never does that by itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from koprogo_agent.doctor.finding import Finding, Patient, fault, warning

_WHAT = "old updater"
_SCRIPT = "gitops-deploy.sh"
_SHELLS = {"bash", "dash", "sh"}
_LOOKS_ONLY = {"status", "logs"}
"""Words after the script's name with which it changes nothing."""
_UNIT_NAME = re.compile(r"koprogo-gitops[\w@.-]*\.(?:service|timer)")
_SYSTEMD = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_STARTS = re.compile(rf"{re.escape(_SCRIPT)}|\bmake\b[^\n]*\bdeploy-prod-vps\b")
_UP = re.compile(r"\bdocker(?:-| +)compose\b[^\n]*\bup\b")
_SYSTEM_TABLES = ("etc/crontab", "etc/cron.d/*")
_USER_TABLES = ("var/spool/cron/crontabs", "var/spool/cron")
"""Debian's folder, and that of other distributions; each file is called as its user."""
_SCRIPTS = tuple(f"etc/cron.{often}/*" for often in ("hourly", "daily", "weekly", "monthly"))
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class StackNames:
    """How a command may name the stack.

    Attributes:
        folders: where its files lie.
        project: its compose project.
    """

    folders: Collection[str]
    project: str

    def in_text(self, text: str) -> bool:
        """Whether a text names the stack by one of them."""
        project = rf"(?:-p|--project-name)[ =]+[\"']?{re.escape(self.project)}(?![\w-])"
        folders = (rf"{re.escape(one)}(?![\w.-])" for one in self.folders)
        return any(re.search(one, text) for one in (project, *folders))

    def started_by(self, text: str) -> bool:
        """Whether the commands in a text start the stack."""
        is_up = _UP.search(text) is not None and self.in_text(text)
        return is_up or _STARTS.search(text) is not None


def updaters(patient: Patient) -> Iterator[Finding]:
    """Nothing but the agent starts the stack by itself."""
    stack = patient.settings.stack
    folders = {str(stack.directory), str(stack.directory.resolve())}
    yield from find_updaters(Path("/"), StackNames(folders, stack.project))


def find_updaters(root: Path, names: StackNames) -> Iterator[Finding]:
    """Name each updater that runs on a machine or is started there by itself.

    Args:
        root: the folder with the machine's `etc`, `proc` and `var`.
        names: of the stack.
    """
    running = _processes(root)
    for unit in _units(root):
        yield from _unit(root, unit, running)
    loose = [pid for pids in running.values() for pid in pids]
    if loose:
        pids = " ".join(map(str, sorted(loose)))
        said = f"{_SCRIPT} runs and follows a branch (process {pids.replace(' ', ', ')})"
        yield fault(_WHAT, said, f"kill {pids}; then end what starts it")
    for pattern in _SYSTEM_TABLES:
        for path in sorted(root.glob(pattern)):
            yield from _table(root, path, names)
    yield from _user_tables(root, names)
    for pattern in _SCRIPTS:
        for path in sorted(root.glob(pattern)):
            if names.started_by(_without_comments(_text(path))):
                where = _shown(root, path)
                yield fault(_WHAT, f"{where} starts the stack", f"chmod -x {where}")


def _units(root: Path) -> list[str]:
    """Names of the units that start the updater; a masked one (a link to /dev/null) is empty."""
    found = set()
    for path in (path for top in _SYSTEMD for path in (root / top).glob("*")):
        is_ours = _UNIT_NAME.fullmatch(path.name) and path.is_file()
        if is_ours or (path.suffix == ".service" and _STARTS.search(_text(path))):
            found.add(path.name)
    return sorted(found)


def _unit(root: Path, name: str, running: dict[str, list[int]]) -> Iterator[Finding]:
    """Tell of a unit that is on; its processes are taken out of those that run."""
    links = {link.name for link in (root / _SYSTEMD[0]).glob("*.wants/*")}
    states = {"enabled": name in links, "running": running.pop(name, None) is not None}
    on = " and ".join(state for state, is_so in states.items() if is_so)
    if on:
        said = f"{name} is {on}: it starts the stack as a branch has it"
        yield fault(_WHAT, said, f"systemctl disable --now {name.removesuffix('.service')}")


def _processes(root: Path) -> dict[str, list[int]]:
    """Unit -> processes of the updater that run in it; those of none are under an empty name."""
    found: dict[str, list[int]] = {}
    for folder in (root / "proc").glob("[0-9]*"):
        words = _text(folder / "cmdline").split("\0")
        names = [PurePath(word).name for word in words]
        is_run = names[0] in {_SCRIPT, *_SHELLS} and _SCRIPT in names
        if is_run and not _LOOKS_ONLY & set(words[names.index(_SCRIPT) + 1 :]):
            unit = PurePath(_text(folder / "cgroup").strip()).name
            name = unit if unit.endswith(".service") else ""
            found.setdefault(name, []).append(int(folder.name))
    return found


def _user_tables(root: Path, names: StackNames) -> Iterator[Finding]:
    for top in _USER_TABLES:
        try:
            paths = sorted(path for path in (root / top).iterdir() if path.is_file())
        except FileNotFoundError:
            continue
        except PermissionError:
            said = "the crontabs of users cannot be read"
            yield warning(_WHAT, said, "type it as root: sudo koprogo-agent doctor")
            return
        for path in paths:
            yield from _table(root, path, names, user=path.name)


def _table(root: Path, path: Path, names: StackNames, user: str = "") -> Iterator[Finding]:
    """Tell of the lines of a crontab that start the stack; what they say may hold a secret."""
    where = _shown(root, path)
    for number, line in enumerate(_text(path).splitlines(), 1):
        if names.started_by(_without_comments(line)):
            edit = f"crontab -u {user} -e" if user else f"sed -i '{number}s/^/# /' {where}"
            advice = f"{edit}, and take line {number} out" if user else edit
            yield fault(_WHAT, f"line {number} of {where} starts the stack", advice)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _text(path: Path) -> str:
    """Return the beginning of a file; nothing where it is none, has ended or may not be read."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(_MOST_BYTES).decode(errors="replace")
    return ""


def _shown(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root)}"
