"""The agent's home: a folder for each version, links to those in use, and what is on trial.

`systemd/rescue`, which is plain shell, reads and writes the same files: keep the two in step.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from koprogo_agent import process
from koprogo_agent.domain.succession import Trial, is_name, read_trial
from koprogo_agent.durable import Folder, disk_errors, sync_folder
from koprogo_agent.errors import StepFailed

ASSEMBLE = Path("/usr/local/libexec/koprogo-agent/assemble")
_PLACE = "versions"
_CURRENT, _PREVIOUS, _TRIAL, _PUT_ASIDE = "current", "previous", "trial", "quarantined"
_PROGRAM = "bin/koprogo-agent"
_ASSEMBLE_SECONDS = 600.0
_TRY_SECONDS = 90.0
_LAST_WORDS = 300
_OF_THE_SERVICE = ("NOTIFY_", "WATCHDOG_", "_KOPROGO_")
"""Variables of the daemon's own process, which nobody else is to act on."""


def home_of(home: Path) -> Path | None:
    """The home, if this very process runs from a version in it; None where it runs otherwise."""
    return home if Path(sys.prefix).parent == home / _PLACE else None


class InstalledVersions:
    """`ports.Versions` on the agent's home."""

    def __init__(self, home: Path, own: str, assemble: Path = ASSEMBLE) -> None:
        """`own` is the version that runs; `assemble` makes environments."""
        self._home = home
        self._own = own
        self._assemble = assemble
        self._folder = Folder(home, 0o755)

    @property
    def own(self) -> str:
        """The version that this process runs from."""
        return self._own

    @property
    def current(self) -> str | None:
        """The version that is started next, or None where that cannot be read."""
        try:
            return (self._home / _CURRENT).readlink().name
        except OSError:
            return None

    @property
    def trial(self) -> Trial | None:
        """What is written of a trial, or None."""
        text = self._read(_TRIAL)
        return None if text is None else read_trial(text)

    @property
    def put_aside(self) -> frozenset[str]:
        """The versions that failed here, by the word of the rescue; none is tried again."""
        return frozenset((self._read(_PUT_ASIDE) or "").split())

    def room(self, version: str) -> Path:
        """An empty folder for a version that is to be brought here."""
        place = self._of(version)
        with disk_errors(f"make {place}"):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            place.chmod(0o755)  # not by mkdir: a service's umask may be 0077
            sync_folder(place.parent)
        return place

    def assemble(self, version: str) -> None:
        """Makes the version's environment out of the wheels in its folder.

        Raises:
            StepFailed: they do not fit together, or not this machine; or it took ten minutes, where
                it takes half of one (code `agent.assemble`).
        """
        argv = (str(self._assemble), "version", str(self._of(version)))
        try:
            done = process.run(argv, env=_environment(), timeout=_ASSEMBLE_SECONDS)
        except process.Overrun as error:
            raise StepFailed(f"{error}", code="agent.assemble") from error
        if done.returncode:
            raise _failed("agent.assemble", "its parts cannot be put together", done)

    def try_out(self, version: str, journal: Path) -> None:
        """Has the version itself look whether it can work here, with the operator's configuration.

        Args:
            version: one that was assembled.
            journal: a copy of the journal, which it may change.

        Raises:
            StepFailed: it cannot, or it did not end in time (code `agent.unfit`).
        """
        program = str(self._of(version) / _PROGRAM)
        argv = (program, "try", "--as", version, "--journal", str(journal))
        try:
            done = process.run(argv, env=_environment(), timeout=_TRY_SECONDS)
        except process.Overrun as error:
            raise StepFailed(f"{error}", code="agent.unfit") from error
        if done.returncode:
            raise _failed("agent.unfit", "it cannot work here", done)

    def begin_trial(self, new: str) -> None:
        """The new version is started next, and this one again if it is not blessed."""
        self._write(_TRIAL, str(Trial(new, self._own)))
        self._point(_CURRENT, new)

    def bless(self, old: str) -> None:
        """This version stays; the one before is kept, and none besides."""
        self._point(_PREVIOUS, old)
        self.end_trial()
        for place in (self._home / _PLACE).iterdir():
            if place.name not in {self._own, old}:
                self.forget(place.name)

    def step_back(self, old: str) -> None:
        """This version ends its trial by itself: the one before is started next."""
        self._point(_CURRENT, old)
        self.end_trial()

    def end_trial(self) -> None:
        """There is no trial any more; none already is success."""
        with disk_errors(f"remove {self._home / _TRIAL}"):
            self._folder.remove(_TRIAL)

    def forget(self, version: str) -> None:
        """Removes a version that does not run; absent already is success."""
        shutil.rmtree(self._of(version), ignore_errors=True)

    def _of(self, version: str) -> Path:
        if not is_name(version):
            raise ValueError(f"{version!r} is no version's name")
        return self._home / _PLACE / version

    def _read(self, name: str) -> str | None:
        with disk_errors(f"read {self._home / name}"):
            found = self._folder.read(name)
        return None if found is None else found.decode(errors="replace")

    def _write(self, name: str, text: str) -> None:
        with disk_errors(f"write {self._home / name}"):
            self._folder.write(name, f"{text}\n".encode(), 0o644)

    def _point(self, name: str, version: str) -> None:
        with disk_errors(f"write {self._home / name}"):
            self._folder.link(name, str(self._of(version).relative_to(self._home)))


def _environment() -> Mapping[str, str]:
    own = os.environ
    return {name: own[name] for name in own if not name.startswith(_OF_THE_SERVICE)}


def _failed(code: str, what: str, done: process.Completed) -> StepFailed:
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().split("\n")
    return StepFailed(f"{what}: {lines[-1][:_LAST_WORDS]}", code=code)
