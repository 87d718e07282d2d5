"""The machine's files and time, its supervisor, and its operator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from koprogo_agent.ports.database import Dump


class Files(Protocol):
    """The agent's own folders and the stack's folder."""

    def tidy(self) -> None:
        """Removes what an agent that was cut off has half written. Only for who holds the lock."""

    def free_bytes(self, path: Path) -> int:
        """Bytes that may still be written to the file system that holds `path`."""

    def check_writable(self, path: Path) -> None:
        """Makes sure that the file system that holds, or will hold, `path` can be written to.

        Raises:
            NeedsOperator: it is read-only (code `disk.read_only`).
        """

    def stage(self, release: str, files: Mapping[str, bytes]) -> None:
        """Keeps a release's files under its name, durable and whole before it returns."""

    def staged(self, release: str) -> Mapping[str, bytes] | None:
        """The files kept under a release's name, or None when there are none."""

    def staged_path(self, release: str, path: str) -> Path:
        """Where a file of a staged release lies."""

    def view(self, release: str) -> Path:
        """A folder that shows the stack's folder as it will be once a staged release is laid.

        Compose reads more there than it is told of: what is included, extended, or an env file.
        """

    def readable_at(self, release: str, path: Path) -> Path:
        """Where what a staged release brings to a path of the stack's folder can be read now.

        Other paths are returned as they are, and so are folders in which the operator has files.
        """

    def releases(self) -> tuple[str, ...]:
        """The names under which files are kept."""

    def unstage(self, release: str) -> None:
        """Forgets a release's files; absent already is success."""

    def lay(self, release: str) -> None:
        """Makes the stack's folder hold the files of a staged release, durable before it returns.

        Files of the release laid before that this one does not have are removed; files of the
        operator are never touched.
        """

    def laid(self) -> str | None:
        """The release whose files the stack's folder holds whole, or None."""

    def stack_path(self, path: str) -> Path:
        """Where a release's file lies once it is laid."""

    def read_stack_file(self, path: str) -> bytes | None:
        """A file below the stack's folder as it is now, or None when there is none."""

    def write_override(self, name: str, content: bytes) -> Path:
        """Durably writes one of the agent's own compose files; its path is the same for ever."""

    def forget_override(self, name: str) -> None:
        """Removes one of the agent's own compose files; absent already is success."""

    def backups(self) -> tuple[Dump, ...]:
        """The backups that are kept, oldest first."""

    def backup_path(self, label: str) -> Path:
        """Where a backup of this label is to be written."""

    def note_unrestorable(self, path: Path, why: str) -> None:
        """Notes with a backup why it cannot be restored; empty: it can."""

    def forget_backup(self, path: Path) -> None:
        """Removes a backup; absent already is success."""


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""

    def wait(self, seconds: float) -> None:
        """Lets seconds go by."""


class Supervisor(Protocol):
    """Who watches over the daemon (systemd)."""

    @property
    def watchdog_seconds(self) -> float | None:
        """Within which time it wants to hear `alive`, or None when it does not watch."""

    def ready(self) -> None:
        """The daemon has started."""

    def alive(self) -> None:
        """The work has really progressed."""

    def status(self, text: str) -> None:
        """One line about what is being done."""

    def stopping(self) -> None:
        """The daemon ends."""


class Notifier(Protocol):
    """Tells the operator, over whatever channels the operator configured."""

    def tell(self, title: str, body: str) -> None:
        """Sends a message. Never raises: a dead channel must not disturb an update."""
