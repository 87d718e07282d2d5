"""The trust directory: the root of trust that this machine was given, and what is revoked here.

    root.json   the trust root, of whatever version the association published at the time
    revoked     fingerprints that are not believed here, one a line: the operator's own brake

Other files are left alone. Whoever can write here decides what runs on this machine as root: so
nobody may but root, or the user that the agent runs as.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from koprogo_agent.domain.envelope import MAX_BYTES
from koprogo_agent.errors import NeedsOperator

ROOT, REVOKED = "root.json", "revoked"
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}|[0-9A-F]{40}(?:[0-9A-F]{24})?")


class TrustDirectory:
    """`ports.Anchor` on a folder, which is read anew each time."""

    def __init__(self, directory: Path) -> None:
        """Prepares; nothing is read yet."""
        self._directory = directory

    def pinned(self) -> bytes:
        """The file of the trust root that this machine was given.

        Raises:
            NeedsOperator: it is missing (code `trust.empty`), cannot be read (`trust.unreadable`),
                or others may write to it (`trust.writable`).
        """
        found = self._read(ROOT)
        if found is None:
            path = self._directory / ROOT
            raise NeedsOperator(
                f"there is no trust root at {path}, so no release can be trusted",
                code="trust.empty",
                advice=f"put the association's root.json there, as {path}; its fingerprint is"
                " published where you got it",
            )
        return found

    def revoked(self) -> frozenset[str]:
        """Fingerprints that the operator does not believe any more.

        Raises:
            NeedsOperator: as `pinned`, or a line is no fingerprint (`trust.malformed`): one that
                was mistyped must not be ignored.
        """
        lines = (self._read(REVOKED) or b"").decode(errors="replace").splitlines()
        kept = [line.partition("#")[0].strip() for line in lines]
        for number, line in enumerate(kept, 1):
            if line and not _FINGERPRINT.fullmatch(line):
                raise NeedsOperator(
                    f"line {number} of {self._directory / REVOKED} is no fingerprint:"
                    f" {line[:80]!r}",
                    code="trust.malformed",
                    advice="write it as SHA256:…, or for GPG as 40 hex digits in capitals",
                )
        return frozenset(line for line in kept if line)

    def _read(self, name: str) -> bytes | None:
        """A file of the directory, or None where there is none."""
        try:
            self._require_no_link()
            path = self._directory / name
            content = _content(path)
            for guarded in (path, *path.parents):
                _require_guarded(guarded)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise NeedsOperator(
                f"cannot read the trust directory {self._directory}: {error.strerror}",
                code="trust.unreadable",
                advice="the agent's user must be able to read it and all files in it",
            ) from error
        return content

    def _require_no_link(self) -> None:
        """Whoever may write where a link lies can lead it to a folder of their own."""
        real = Path(os.path.realpath(self._directory))
        if real != self._directory:
            raise NeedsOperator(
                f"the trust directory {self._directory} is reached through a link",
                code="trust.link",
                advice=f"set trust.directory to where it really is: {real}",
            )


def _content(path: Path) -> bytes:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
        raise NeedsOperator(
            f"cannot use {path}: it must be a regular file of at most {MAX_BYTES} bytes",
            code="trust.malformed",
            advice="put the file itself there, not a link to it",
        )
    return path.read_bytes()


def _require_guarded(path: Path) -> None:
    """Only root and the agent's own user may be able to change what is at a path.

    A folder with the sticky bit (`/tmp`) may be writable: what others own in it stays theirs.
    """
    status = path.stat()
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_uid not in {0, os.geteuid()}:
        raise NeedsOperator(
            f"{path} belongs to another user (uid {status.st_uid}), who could add a key of their"
            " own",
            code="trust.writable",
            advice=f"chown root {path}",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise NeedsOperator(
            f"{path} can be written by other users, who could add a key of their own",
            code="trust.writable",
            advice=f"chmod go-w {path}",
        )
