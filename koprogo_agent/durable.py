"""Files that survive a power cut: whole or absent, never half.

A file is written under another name, synced, and renamed; then the folder is synced, because the
new name is only as durable as the folder that holds it. All of it goes through folder descriptors,
one path component at a time: a symlink below the root cannot lead a write elsewhere, also not one
that appears between a check and the write.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from koprogo_agent.errors import DISK_FULL, READ_ONLY, NeedsOperator

__all__ = ["Folder", "disk_errors", "make_folder", "sync_folder"]

_PARTIAL = ".koprogo-agent.partial"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_LED_ASIDE = frozenset({errno.ELOOP, errno.ENOTDIR})


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Says what to do about errors of the file system.

    Args:
        doing: what was tried, as in "cannot DOING".

    Raises:
        NeedsOperator: the block raised an OSError (codes `disk.full`, `disk.read_only`,
            `files.failed`).
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _OUT_OF_SPACE:
            raise NeedsOperator(
                f"cannot {doing}: {reason}",
                code=DISK_FULL,
                advice="free some space on this file system; `df -h` and `docker system df` help",
            ) from error
        if error.errno == errno.EROFS:
            raise NeedsOperator(
                f"cannot {doing}: {reason}",
                code=READ_ONLY,
                advice="see why: dmesg | tail, findmnt -O ro; then mount it for writing again",
            ) from error
        raise NeedsOperator(
            f"cannot {doing}: {reason}",
            code="files.failed",
            advice="check the folder's owner and permissions, and `dmesg` for disk errors",
        ) from error


def make_folder(path: Path) -> None:
    """Makes a private folder (0700) and what is missing above it, durable."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(path, _DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Folder:
    """A folder in which files are reached by relative paths that may come from outside."""

    def __init__(self, root: Path, mode: int) -> None:
        """`root` may itself be a symlink; `mode` is given to the folders made below it."""
        self._root = root
        self._mode = mode

    def read(self, path: str) -> bytes | None:
        """The content of a regular file, or None when there is none (a folder is none).

        Raises:
            NeedsOperator: a symlink or a special file is in the way (`files.obstructed`).
        """
        with ExitStack() as stack:
            try:
                parent, name = self._parent(path, stack, create=False)
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                handle = os.open(name, flags, dir_fd=parent)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in {*_LED_ASIDE, errno.ENXIO}:
                    raise self._obstructed(path) from error
                raise
            stack.callback(os.close, handle)
            kind = os.fstat(handle).st_mode
            if stat.S_ISDIR(kind):
                return None
            if not stat.S_ISREG(kind):
                raise self._obstructed(path)
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read()

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Durably replaces a file, or makes it, with the folders above it.

        Raises:
            NeedsOperator: a symlink, or a folder that is not empty, is in the way
                (`files.obstructed`).
        """
        # The mode not by open: a service's umask may be 0077.
        self._put(path, content, lambda handle: os.fchmod(handle, mode))

    def write_like(self, path: str, content: bytes, model: os.stat_result) -> None:
        """The same, with owner, group and mode of another file.

        Raises:
            NeedsOperator: as `write`.
            PermissionError: this user cannot give a file to that one.
        """

        def liken(handle: int) -> None:
            os.fchown(handle, model.st_uid, model.st_gid)
            os.fchmod(handle, stat.S_IMODE(model.st_mode))

        self._put(path, content, liken)

    def _put(self, path: str, content: bytes, dress: Callable[[int], None]) -> None:
        with ExitStack() as stack:
            parent, name = self._parent(path, stack, create=True)
            _unlink(_PARTIAL, parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            handle = os.open(_PARTIAL, flags, 0o600, dir_fd=parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                dress(handle)
                os.fsync(handle)
            self._rename(path, name, parent)
            os.fsync(parent)

    def link(self, path: str, target: str) -> None:
        """Durably makes a name lead to a target, in one step where it led elsewhere before."""
        with ExitStack() as stack:
            parent, name = self._parent(path, stack, create=True)
            _unlink(_PARTIAL, parent)
            os.symlink(target, _PARTIAL, dir_fd=parent)
            os.rename(_PARTIAL, name, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)

    def give_mode(self, path: str, mode: int) -> None:
        """Gives a file of this folder its permissions, in place."""
        with ExitStack() as stack:
            parent, name = self._parent(path, stack, create=False)
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            stack.callback(os.close, handle)
            if stat.S_IMODE(os.fstat(handle).st_mode) != mode:
                os.fchmod(handle, mode)
                os.fsync(handle)

    def remove(self, path: str) -> None:
        """Durably removes a file; absent already is success. Folders stay: others may use them."""
        with ExitStack() as stack:
            try:
                parent, name = self._parent(path, stack, create=False)
            except FileNotFoundError:
                return
            _unlink(name, parent)
            os.fsync(parent)

    def sweep(self, path: str) -> None:
        """Removes what a killed `write` of this path may have left beside it."""
        sibling = str(PurePosixPath(path).with_name(_PARTIAL))
        self.remove(sibling)

    def _parent(self, path: str, stack: ExitStack, *, create: bool) -> tuple[int, str]:
        """Descriptor of the folder that holds the path's last component, and that component."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise self._obstructed(path)
        here = os.open(self._root, _DIRECTORY)
        stack.callback(os.close, here)
        for part in parts[:-1]:
            try:
                here = self._enter(part, here, create=create)
            except OSError as error:
                if error.errno in _LED_ASIDE:
                    raise self._obstructed(path) from error
                raise
            stack.callback(os.close, here)
        return here, parts[-1]

    def _enter(self, part: str, parent: int, *, create: bool) -> int:
        try:
            return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        os.mkdir(part, 0o700, dir_fd=parent)
        here = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        os.fchmod(here, self._mode)
        os.fsync(parent)
        return here

    def _rename(self, path: str, name: str, parent: int) -> None:
        try:
            os.rename(_PARTIAL, name, src_dir_fd=parent, dst_dir_fd=parent)
        except IsADirectoryError:
            # Docker makes an empty folder where the source of a bind mount is missing.
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError as error:
                _unlink(_PARTIAL, parent)
                raise self._obstructed(path) from error
            os.rename(_PARTIAL, name, src_dir_fd=parent, dst_dir_fd=parent)

    def _obstructed(self, path: str) -> NeedsOperator:
        return NeedsOperator(
            f"cannot use {str(self._root / path)[:300]}: a symlink, a special file or a folder"
            " with content is in the way",
            code="files.obstructed",
            advice="move it aside; the agent puts a regular file there",
        )


def _unlink(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
