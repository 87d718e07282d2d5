"""The agent's own folders, and the folder of the stack.

Below the state folder: `releases/NAME/` (the files of a release, with an index of their hashes),
`overrides/` (compose files that the agent renders), `displaced/` (copies of files that the agent
found changed and had to replace) and `laid.json` (what the stack's folder holds).

The stack's folder belongs to the operator as well. The agent replaces and removes there only what
a release names, leaves a file whose content is right untouched (a running container has its inode
mounted), and never removes a folder.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path

import structlog

from koprogo_agent import stack_view
from koprogo_agent.backup_record import PARTIAL, note_unrestorable, read_record, record_path
from koprogo_agent.domain.manifest import is_safe_path
from koprogo_agent.durable import Folder, disk_errors, make_folder, sync_folder
from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.laid import Laid, seal, unseal
from koprogo_agent.ports import Dump

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DUMP = re.compile(r"([0-9]{4,9})-([A-Za-z0-9][A-Za-z0-9._-]{0,127})\.dump")
_NUMBERED = re.compile(r"([0-9]{4,9})-")
_INDEX = "index.json"
_TREE = "files"
_LAID = "laid.json"
_SCRIPT, _PLAIN, _PRIVATE, _OPEN = 0o755, 0o644, 0o600, 0o755

_log = structlog.get_logger(__name__)


class LocalFiles:
    """Implements `ports.Files` on the local file systems."""

    def __init__(self, state: Path, stack: Path, backups: Path) -> None:
        """Nothing is touched yet.

        Args:
            state: the agent's own folder.
            stack: the stack's folder; it must exist before `lay`.
            backups: where backups are kept.
        """
        self._state = state
        self._releases = state / "releases"
        self._backups = backups
        self._stack_root = stack
        self._stack = Folder(stack, _OPEN)

    def tidy(self) -> None:
        """Removes what killed work left half-made; to be called once at the agent's start."""
        with disk_errors("tidy the agent's folders"):
            for folder in (self._releases, self._backups):
                for left in folder.glob("*" + PARTIAL):
                    if left.is_dir():
                        shutil.rmtree(left)
                    else:
                        left.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """Bytes that may still be written to the file system that holds, or will hold, `path`."""
        with disk_errors(f"ask for the free space at {path}"):
            while not path.exists():
                path = path.parent
            status = os.statvfs(path)
            return status.f_bavail * status.f_frsize

    def check_writable(self, path: Path) -> None:
        """Check that the file system that holds, or will hold, `path` is not read-only."""
        with disk_errors(f"write to {path}"):
            while not path.exists():
                path = path.parent
            if os.statvfs(path).f_flag & os.ST_RDONLY:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def stage(self, release: str, files: Mapping[str, bytes]) -> None:
        """Keeps a release's files under its name, durable, whole, and open to whoever mounts them.

        Raises:
            Refused: the name or a path is not safe.
            NeedsOperator: the disk is full or fails.
        """
        folder = self._release_folder(release)
        _refuse_unsafe(files)
        if self.staged(release) == files and (folder / _TREE).stat().st_mode & 0o777 == _OPEN:
            return
        partial = folder.with_name(folder.name + PARTIAL)
        with disk_errors(f"keep the files of {release}"):
            make_folder(self._releases)
            shutil.rmtree(partial, ignore_errors=True)
            make_folder(partial / _TREE)
            (partial / _TREE).chmod(_OPEN)
            tree = Folder(partial / _TREE, _OPEN)
            for path, content in files.items():
                tree.write(path, content, _mode(content))
            index = {path: _hash(content) for path, content in files.items()}
            Folder(partial, 0o700).write(_INDEX, seal({"files": index}), _PRIVATE)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            sync_folder(self._releases)

    def staged(self, release: str) -> Mapping[str, bytes] | None:
        """The files kept under a release's name, or None when one is missing or damaged."""
        folder = self._release_folder(release)
        with disk_errors(f"read the files of {release}"):
            index = self._index(release)
            if index is None:
                return None
            tree, files = Folder(folder / _TREE, 0o700), {}
            for path, expected in index.items():
                content = tree.read(path)
                if content is None or _hash(content) != expected:
                    return None
                files[path] = content
        return files

    def staged_path(self, release: str, path: str) -> Path:
        """Where a file of a staged release lies."""
        _refuse_unsafe((path,))
        return self._release_folder(release) / _TREE / path

    def view(self, release: str) -> Path:
        """A folder of links: to staged files, and to what else is in the stack's folder.

        Files of the release that is laid now, and not of this one, are not in it.

        Raises:
            RetryLater: the release is not staged, or not whole (`release.not_staged`).
            NeedsOperator: the disk is full or fails.
        """
        root = self._state / "views" / _safe_name(release)
        with disk_errors(f"show the stack's folder with the files of {release}"):
            wanted = self._links(release)
            make_folder(root)
            stack_view.show(root, wanted)
        return root

    def readable_at(self, release: str, path: Path) -> Path:
        """Where what a staged release brings to a path of the stack's folder can be read now.

        Other paths are returned as they are, and so are folders in which the operator has files.

        Raises:
            RetryLater: the release is not staged, or not whole (`release.not_staged`).
            NeedsOperator: the disk fails.
        """
        if not path.is_relative_to(self._stack_root):
            return path
        inside = path.relative_to(self._stack_root)
        tree = self._release_folder(release) / _TREE
        with disk_errors(f"find the files of {release}"):
            links = self._links(release)
        below = [there for name, there in links.items() if Path(name).is_relative_to(inside)]
        ours = bool(below) and all(there.is_relative_to(tree) for there in below)
        return tree / inside if ours else path

    def _links(self, release: str) -> Mapping[str, Path]:
        index = self._index(release)
        if index is None:
            raise RetryLater(f"{release} is not staged", code="release.not_staged")
        laid = self._laid() or Laid()
        tree = self._release_folder(release) / _TREE
        return stack_view.links(self._stack_root, tree, index, laid.known())

    def releases(self) -> tuple[str, ...]:
        """The names under which files are kept, damaged ones included."""
        with disk_errors("list the releases that are kept"):
            names = [path.name for path in self._releases.glob("*") if _NAME.fullmatch(path.name)]
        return tuple(sorted(name for name in names if not name.endswith(PARTIAL)))

    def unstage(self, release: str) -> None:
        """Forgets a release's files; absent already is success."""
        folder = self._release_folder(release)
        doomed = folder.with_name(folder.name + PARTIAL)
        with disk_errors(f"forget the files of {release}"):
            shutil.rmtree(doomed, ignore_errors=True)
            shutil.rmtree(self._state / "views" / release, ignore_errors=True)
            if folder.exists():
                folder.rename(doomed)
                shutil.rmtree(doomed)
                sync_folder(self._releases)

    def lay(self, release: str) -> None:
        """Makes the stack's folder hold the files of a staged release, durable before it returns.

        Raises:
            RetryLater: the release is not staged, or not whole (`release.not_staged`).
            NeedsOperator: something else is where a file must go (`files.obstructed`); the disk is
                full or fails.
        """
        files = self.staged(release)
        if files is None:
            raise RetryLater(
                f"cannot lay {release}: its files are not staged", code="release.not_staged"
            )
        wanted = {path: _hash(content) for path, content in files.items()}
        with disk_errors(f"write the files of {release} into the stack's folder"):
            before = self._laid() or Laid()
            present = {path: self._stack.read(path) for path in {*wanted, *before.known()}}
            # Before the first change: after a crash, what must be removable is on record.
            self._write_laid(before.intending(wanted))
            for path, content in files.items():
                self._lay_file(path, content, present[path], before)
            for path in sorted(before.known() - wanted.keys()):
                if present[path] is not None:
                    self._keep_displaced(path, present[path], before)
                    self._stack.remove(path)
            for path in before.known() | wanted.keys():
                self._stack.sweep(path)
            self._write_laid(Laid(release=release, files=wanted))

    def laid(self) -> str | None:
        """The release whose files the stack's folder holds whole, or None."""
        with disk_errors("read the stack's folder"):
            laid = self._laid()
            if laid is None or laid.release is None:
                return None
            index = self._index(laid.release)
            if index is not None and index != laid.files:
                return None
            for path in laid.known():
                content = self._stack.read(path)
                if (None if content is None else _hash(content)) != laid.files.get(path):
                    return None
            return laid.release

    def stack_path(self, path: str) -> Path:
        """Where a release's file lies once it is laid."""
        _refuse_unsafe((path,))
        return self._stack_root / path

    def read_stack_file(self, path: str) -> bytes | None:
        """A file below the stack's folder as it is now, or None when there is none."""
        with disk_errors(f"read {path} in the stack's folder"):
            return self._stack.read(path)

    def write_override(self, name: str, content: bytes) -> Path:
        """Durably writes one of the agent's own compose files; its path is the same for ever."""
        path = self._state / "overrides" / _safe_name(name)
        with disk_errors(f"write {path}"):
            make_folder(path.parent)
            folder = Folder(path.parent, 0o700)
            if folder.read(name) != content:
                folder.write(name, content, _PRIVATE)
        return path

    def forget_override(self, name: str) -> None:
        """Removes one of the agent's own compose files; absent already is success."""
        with disk_errors(f"remove {name}"):
            Folder(self._state / "overrides", 0o700).remove(_safe_name(name))

    def backups(self) -> tuple[Dump, ...]:
        """The backups that are kept, oldest first; a file of another size than recorded is none."""
        found: list[tuple[int, Dump]] = []
        with disk_errors("list the backups"):
            # Unlike a glob, this does not take a folder that it may not read for an empty one.
            for path in self._backups.iterdir() if self._backups.exists() else ():
                name = _DUMP.fullmatch(path.name)
                record = read_record(path) if name else None
                if name and record and path.stat().st_size == record.size:
                    dump = Dump(path, record.size, record.sha256, record.unrestorable)
                    found.append((int(name[1]), dump))
        return tuple(dump for _, dump in sorted(found, key=lambda pair: pair[0]))

    def backup_path(self, label: str) -> Path:
        """Where a backup of this label is, or is to be written.

        The number in front gives the order: unlike a date it does not depend on the clock, by
        which a retention could take the newest backup for the oldest.
        """
        _safe_name(label)
        with disk_errors("look into the folder of backups"):
            make_folder(self._backups)
            names = sorted(path.name for path in self._backups.iterdir())
        numbers = [int(found[1]) for name in names if (found := _NUMBERED.match(name))]
        for name in reversed(names):
            if (found := _DUMP.fullmatch(name)) and found[2] == label:
                return self._backups / name
        return self._backups / f"{max(numbers, default=0) + 1:04d}-{label}.dump"

    def note_unrestorable(self, path: Path, why: str) -> None:
        """Notes with a backup why it cannot be restored; empty: it can."""
        with disk_errors(f"write the record of {path.name}"):
            note_unrestorable(path, why)

    def forget_backup(self, path: Path) -> None:
        """Removes a backup and its record; absent already is success."""
        if path.parent != self._backups or not _DUMP.fullmatch(path.name):
            raise Refused(f"cannot forget {path}: it is not a backup", code="backup.not_ours")
        with disk_errors(f"remove the backup {path.name}"):
            path.unlink(missing_ok=True)
            record_path(path).unlink(missing_ok=True)

    def _lay_file(self, path: str, content: bytes, present: bytes | None, before: Laid) -> None:
        if present == content:
            self._stack.give_mode(path, _mode(content))
            return
        self._keep_displaced(path, present, before)
        self._stack.write(path, content, _mode(content))

    def _keep_displaced(self, path: str, present: bytes | None, before: Laid) -> None:
        """Keeps a copy of a file that is about to go and that the agent did not write."""
        if present is None or before.wrote(path, _hash(present)):
            return
        kept = self._state / "displaced" / f"{_hash(present)}-{Path(path).name[-100:]}"
        make_folder(kept.parent)
        Folder(kept.parent, 0o700).write(kept.name, present, _PRIVATE)
        _log.warning("stack.file_displaced", path=path, kept=str(kept))

    def _release_folder(self, release: str) -> Path:
        return self._releases / _safe_name(release)

    def _index(self, release: str) -> dict[str, str] | None:
        try:
            document = unseal((self._release_folder(release) / _INDEX).read_bytes())
        except FileNotFoundError:
            return None
        return None if document is None else document["files"]

    def _laid(self) -> Laid | None:
        try:
            raw = (self._state / _LAID).read_bytes()
        except FileNotFoundError:
            return None
        return Laid.decode(raw)

    def _write_laid(self, laid: Laid) -> None:
        make_folder(self._state)
        Folder(self._state, 0o700).write(_LAID, laid.encode(), _PRIVATE)


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _mode(content: bytes) -> int:
    return _SCRIPT if content.startswith(b"#!") else _PLAIN


def _safe_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.endswith(PARTIAL):
        raise Refused(f"{name[:80]!r} cannot be a file name here", code="files.name")
    return name


def _refuse_unsafe(paths: Collection[str]) -> None:
    for path in paths:
        above = {str(parent) for parent in Path(path).parents}
        if path == "." or not is_safe_path(path) or not above.isdisjoint(paths):
            raise Refused(f"path {path[:80]!r} cannot be laid out", code="files.path")
