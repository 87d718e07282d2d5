"""The agent's folders and the stack's folder, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.ports import Dump
from tests.simulation.machine import nothing

FREE = 20_000_000_000


class Disk:
    """The files port.

    Attributes:
        texts: what lies at a path, for those who read it as compose does.
        backups_kept: dumps by path, oldest first.
        unrestorable: why a dump cannot be restored, by path.
        free: bytes.
        middle: called in the middle of effects that have one.
    """

    def __init__(self, stack: Path, state: Path, backups: Path) -> None:
        self.texts: dict[Path, bytes] = {}
        self.backups_kept: dict[Path, bytes] = {}
        self.unrestorable: dict[Path, str] = {}
        self.free = FREE
        self.read_only = False
        self.middle: Callable[[str], None] = nothing
        self._stack, self._state, self._backups = stack, state, backups
        self._staged: dict[str, dict[str, bytes]] = {}
        self._laid: str | None = None
        self._laid_paths: set[str] = set()

    def tidy(self) -> None:
        """Nothing is ever half written here."""

    def free_bytes(self, path: Path) -> int:  # noqa: ARG002 - the port's
        """One file system holds all."""
        return self.free

    def check_writable(self, path: Path) -> None:
        """Whether the one file system is read-only."""
        if self.read_only:
            raise NeedsOperator(f"{path}: Read-only file system", code="disk.read_only")

    def stage(self, release: str, files: Mapping[str, bytes]) -> None:
        """Keeps files."""
        self.unstage(release)
        self._staged[release] = dict(files)
        for path, content in files.items():
            self.texts[self.staged_path(release, path)] = content

    def staged(self, release: str) -> Mapping[str, bytes] | None:
        """The files kept."""
        return self._staged.get(release)

    def staged_path(self, release: str, path: str) -> Path:
        """Where one lies."""
        return self._state / "releases" / release / path

    def view(self, release: str) -> Path:
        """Its staged files; compose looks for no others here."""
        return self._state / "releases" / release

    def readable_at(self, release: str, path: Path) -> Path:
        """Its staged file."""
        if not path.is_relative_to(self._stack):
            return path
        inside = str(path.relative_to(self._stack))
        return self.staged_path(release, inside) if inside in self._staged[release] else path

    def releases(self) -> tuple[str, ...]:
        """The names."""
        return tuple(sorted(self._staged))

    def unstage(self, release: str) -> None:
        """Forgets."""
        for path in self._staged.pop(release, {}):
            del self.texts[self.staged_path(release, path)]

    def lay(self, release: str) -> None:
        """Puts a release's files into the stack's folder."""
        files = self._staged[release]
        self._laid = None
        gone = self._laid_paths - files.keys()
        self._laid_paths |= files.keys()
        for index, (path, content) in enumerate(sorted(files.items())):
            self.texts[self.stack_path(path)] = content
            if not index:
                self.middle("lay")
        for path in gone:
            self.texts.pop(self.stack_path(path), None)
        self._laid, self._laid_paths = release, set(files)

    def laid(self) -> str | None:
        """What lies there whole."""
        return self._laid

    def stack_path(self, path: str) -> Path:
        """Where a file lies once laid."""
        return self._stack / path

    def read_stack_file(self, path: str) -> bytes | None:
        """A file of the stack's folder."""
        return self.texts.get(self.stack_path(path))

    def write_override(self, name: str, content: bytes) -> Path:
        """One of the agent's own compose files."""
        path = self._state / "compose" / name
        self.texts[path] = content
        return path

    def forget_override(self, name: str) -> None:
        """It is no longer needed."""
        self.texts.pop(self._state / "compose" / name, None)

    def backups(self) -> tuple[Dump, ...]:
        """The dumps."""
        return tuple(
            Dump(
                path,
                len(content),
                hashlib.sha256(content).hexdigest(),
                self.unrestorable.get(path, ""),
            )
            for path, content in self.backups_kept.items()
        )

    def backup_path(self, label: str) -> Path:
        """Where a dump of this label is, or goes; the number in front gives the order."""
        for path in self.backups_kept:
            if path.name.partition("-")[2] == f"{label}.dump":
                return path
        numbers = [int(path.name.partition("-")[0]) for path in self.backups_kept]
        return self._backups / f"{max(numbers, default=0) + 1:04d}-{label}.dump"

    def note_unrestorable(self, path: Path, why: str) -> None:
        """Beside the dump."""
        self.unrestorable[path] = why

    def forget_backup(self, path: Path) -> None:
        """Gone."""
        self.backups_kept.pop(path, None)
        self.unrestorable.pop(path, None)
