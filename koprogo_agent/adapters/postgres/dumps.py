"""Dump files: written whole or not at all, and read back with their hash checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from koprogo_agent.adapters.postgres.channel import Ended
from koprogo_agent.backup_record import PARTIAL, read_record, write_record
from koprogo_agent.durable import disk_errors, make_folder, sync_folder
from koprogo_agent.errors import StepFailed
from koprogo_agent.ports import Dump

_CHUNK = 1 << 18
_TOLD_EVERY = 1 << 20
_ERROR = "ERROR:"
_TELLING = ("HINT:", "CONTEXT:", "Command was:")
_LONGEST = 400


class DumpWriter:
    """A dump being written, under another name until `keep`."""

    def __init__(self, target: Path, progress: Callable[[int], None]) -> None:
        self._target = target
        self._partial = target.with_name(target.name + PARTIAL)
        self._progress = progress
        self._hash = sha256()
        self._size = self._told = 0

    def __enter__(self) -> Self:
        """Opens the file; what an interrupted dump left there is overwritten."""
        with disk_errors(f"write {self._partial}"):
            make_folder(self._target.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._partial, flags, 0o600), "wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the file, and removes it unless it was kept."""
        with disk_errors(f"remove {self._partial}"):
            self._partial.unlink(missing_ok=True)
        with suppress(OSError):  # on a full disk it fails to write bytes that nobody wants now
            self._file.close()

    def take(self, data: bytes) -> None:
        """Writes the next bytes of the dump."""
        with disk_errors(f"write {self._partial}"):
            self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        if self._size - self._told >= _TOLD_EVERY:
            self._told = self._size
            self._progress(self._size)

    def keep(self, roles: tuple[str, ...]) -> Dump:
        """Gives the file its name, durably, with its record."""
        digest = self._hash.hexdigest()
        with disk_errors(f"write {self._target}"):
            self._file.flush()
            os.fsync(self._file.fileno())
            # The record comes before the name; an older dump of that name must not get it.
            self._target.unlink(missing_ok=True)
            write_record(self._target, digest, self._size, roles)
            self._partial.rename(self._target)
            sync_folder(self._target.parent)
        self._progress(self._size)
        return Dump(self._target, self._size, digest)


class DumpReader:
    """A dump being read; its hash is known once it has been read whole."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        self._path = path
        self._progress = progress
        self._hash = sha256()

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes."""
        with disk_errors(f"read {self._path}"), self._path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                self._hash.update(chunk)
                self._progress(file.tell())
                yield chunk

    def check(self) -> None:
        """Reads the file whole and compares it with the record, as `finish` does."""
        for _ in self.chunks():
            continue
        self.finish()

    def finish(self) -> None:
        """Compares what was read with the record.

        `pg_restore` alone does not notice a changed byte of data that is not compressed.

        Raises:
            StepFailed: it is not what was written when the dump was made (`backup.corrupt`).
        """
        record = read_record(self._path)
        if record is not None and record.sha256 != self._hash.hexdigest():
            raise corrupt(self._path, "its SHA-256 is not the one recorded when it was made")


def refusal(ended: Ended) -> str:
    """What PostgreSQL refuses of a dump, and the statement, on one line.

    Without its DETAIL, in which the values of rows may stand.
    """
    lines = [line.strip() for line in ended.complaints.splitlines()]
    told = [line[line.index(_ERROR) :] for line in lines if _ERROR in line][:1]
    told += [line for line in lines if line.startswith(_TELLING)]
    said = "; ".join(told) or ended.complaints.strip()[-_LONGEST:] or "no reason given"
    return " ".join(said.split())[:_LONGEST].rstrip("; ")


def corrupt(path: Path, why: str) -> StepFailed:
    """The dump cannot be used."""
    return StepFailed(
        f"the backup {path.name} is damaged: {why}",
        code="backup.corrupt",
        advice="keep another one: koprogo-agent backup create",
    )
