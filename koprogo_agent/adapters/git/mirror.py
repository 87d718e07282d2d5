"""The bare mirror of the source: commits, trees, tags, and the few file contents ever asked for.

Its configuration is what `git init` writes. Where the source is, and that it has what the mirror
lacks, is told only to the commands that fetch; so reading can never be led to fetch anything, and
nothing that came from outside is ever configuration. The mirror is a cache: when it is damaged it
is set aside and made anew.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from koprogo_agent.adapters.git.command import CUT_OFF, MAX_OBJECT_BYTES, UNKNOWN, Command, Overlong
from koprogo_agent.durable import disk_errors
from koprogo_agent.errors import Refused, RetryLater

MAX_PACKS = 200
"""Each fetch adds a pack and nothing is repacked; a mirror of more than these is made anew."""

_SHA1 = re.compile(r"[0-9a-f]{40}")
_FETCH = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
    *("--no-auto-maintenance", "--stdin"),
)


class Damaged(Exception):
    """The mirror lacks an object that it must have, or holds one that is not what it was."""


class Object(NamedTuple):
    """A git object: its type and its content."""

    kind: str
    content: bytes


class Mirror:
    """The mirror at a path, which need not exist yet."""

    def __init__(self, command: Command, path: Path) -> None:
        self._command = command
        self._path = path

    def objects(self, oids: Sequence[str]) -> list[Object | None]:
        """Objects in the order of their ids, each held against its id; None where absent.

        Raises:
            Damaged: an object is there but not whole.
            Refused: they are too large.
        """
        if not oids or not self._path.exists():
            return [None] * len(oids)
        rest = self._read("cat-file", "--batch", stdin=_lines(oids))
        found: list[Object | None] = []
        for oid in oids:
            head, _, rest = rest.partition(b"\n")
            words = head.decode(errors="replace").split(" ")
            if words == [oid, "missing"]:
                found.append(None)
                continue
            if len(words) != 3 or not words[2].isdecimal():  # noqa: PLR2004 - id, type, size
                raise Damaged(f"{oid} cannot be read")
            size = int(words[2])
            found.append(_checked(oid, Object(words[1], rest[:size])))
            rest = rest[size + 1 :]
        return found

    def present(self, oids: Iterable[str]) -> set[str]:
        """Those of the ids whose objects are there."""
        asked = sorted(oids)
        answer = self._read("cat-file", "--batch-check=%(objectname)", stdin=_lines(asked))
        return set(answer.decode(errors="replace").split("\n")) & set(asked)

    def fetch_history(self, want: str) -> None:
        """Brings a commit with its trees, by refspec or by its id; a tag on the way too.

        Raises:
            RetryLater, Refused, NeedsOperator: as `Command.remote`.
        """
        self._fetch((*_FETCH, "--depth=1"), [want])

    def fetch_contents(self, oids: Sequence[str]) -> None:
        """Brings files' contents by their ids, all by one connection.

        Raises:
            RetryLater, Refused, NeedsOperator: as `Command.remote`.
        """
        # Told which commits are here, the server would take their contents to be here as well.
        self._fetch(("-c", "fetch.negotiationAlgorithm=noop", *_FETCH), oids)

    def set_aside(self) -> None:
        """Takes a damaged mirror out of the way; the last one is kept for whoever asks why."""
        aside = self._path.with_suffix(".damaged")
        with disk_errors("set the damaged mirror aside"):
            shutil.rmtree(aside, ignore_errors=True)
            if self._path.exists():
                self._path.rename(aside)

    def _fetch(self, command: Sequence[str], wants: Sequence[str]) -> None:
        """Fetches; a mirror that may be at fault is made anew, once."""
        try:
            self._try_to_fetch(command, wants)
        except RetryLater as error:
            if error.code != UNKNOWN:
                raise
            self.set_aside()
            self._try_to_fetch(command, wants)

    def _try_to_fetch(self, command: Sequence[str], wants: Sequence[str]) -> None:
        self._prepare()
        words = (*command, "--end-of-options", "origin")
        try:
            self._command.remote(self._path, *words, stdin=_lines(wants))
        except RetryLater as error:
            if error.code == CUT_OFF and self._is_full():
                raise self._too_large() from error
            raise

    def _is_full(self) -> bool:
        """Whether a half-made pack has come to its limit; git does not say what ended it."""
        packs = self._path.glob("objects/pack/tmp_*")
        return any(pack.stat().st_size >= self._command.max_bytes for pack in packs)

    def _too_large(self) -> Refused:
        """Refused for good: each new try would cost the same traffic."""
        return Refused(
            f"the source sent more than {self._command.max_bytes} bytes for one release",
            code="source.limit",
            advice="source.max_bytes in the configuration sets this limit",
        )

    def _read(self, *words: str, stdin: bytes) -> bytes:
        try:
            done = self._command.local(self._path, *words, stdin=stdin)
        except Overlong as error:
            raise Refused(
                f"objects of the release have more than {MAX_OBJECT_BYTES} bytes",
                code="source.limit",
            ) from error
        if done.returncode != 0:
            raise Damaged("git cannot read the mirror")
        return done.stdout

    def _prepare(self) -> None:
        """Makes the mirror, or clears what a killed git left in it.

        A lock that nobody holds any more would otherwise stop every later fetch.
        """
        with disk_errors("prepare the mirror of the source"):
            if len(list(self._path.glob("objects/pack/*.pack"))) > MAX_PACKS:
                shutil.rmtree(self._path)
            if not self._path.exists():
                self._create()
            for pattern in ("**/*.lock", "objects/**/tmp_*"):
                for leftover in self._path.glob(pattern):
                    leftover.unlink(missing_ok=True)

    def _create(self) -> None:
        """Made under another name, so that it is whole or absent."""
        unfinished = self._path.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        done = self._command.local(unfinished, "init", "--quiet", "--bare", "--template=")
        if done.returncode != 0:
            raise OSError("git init failed")
        unfinished.rename(self._path)


def require_sha1(oid: str) -> None:
    """Ids become parts of commands, and only those of SHA-1 repositories can be read.

    Raises:
        Refused: it is none (code `source.object_format`).
    """
    if not _SHA1.fullmatch(oid):
        raise Refused(
            f"{oid[:80]!r} is not an object id of a SHA-1 repository", code="source.object_format"
        )


def _checked(oid: str, found: Object) -> Object:
    """The object, if its content is what its id says: disks flip bits, and mirrors are old."""
    hashed = b"%s %d\0%s" % (found.kind.encode(), len(found.content), found.content)
    if hashlib.sha1(hashed, usedforsecurity=False).hexdigest() != oid:
        raise Damaged(f"{oid} has another content than its id says")
    return found


def _lines(words: Iterable[str]) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()
