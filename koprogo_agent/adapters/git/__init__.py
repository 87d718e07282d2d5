"""The source of releases: a git repository, read through a bare mirror of commits and trees.

Releases are fetched without file contents; those that are wanted follow by their ids, together.

GitPython reads the trees, strictly and without running anything. It does not run git here: it
hands down the environment of this process, and can bound neither the bytes nor, for all that git
starts, the time of a command.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from koprogo_agent.adapters.git.command import Command
from koprogo_agent.adapters.git.mirror import Damaged, Mirror, Object, require_sha1
from koprogo_agent.domain.manifest import find_block, is_safe_path, parse
from koprogo_agent.domain.proxy import DIRECT, ProxyRules
from koprogo_agent.domain.tags import TagRef, lightweight, read_tag
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.ports import Listing
from koprogo_agent.settings.sections import Source

__all__ = ["Git"]

T = TypeVar("T")

MAX_ENTRIES = 10_000
_LISTED = re.compile(r"([0-9a-f]{40}(?:[0-9a-f]{24})?)\trefs/(heads|tags)/([^\0\n]{1,255})")
_REGULAR, _FOLDER = frozenset({0o100644, 0o100755}), 0o040000


class _Entry(NamedTuple):
    """What a tree says of a name."""

    mode: int
    oid: str


class Git:
    """`ports.Source` on a git repository."""

    def __init__(self, source: Source, state: Path, rules: ProxyRules = DIRECT) -> None:
        """Prepares; nothing is touched yet.

        Args:
            source: where releases come from, and the limits.
            state: the agent's own folder; the mirror is made in it.
            rules: which proxy the source is asked through.
        """
        self._command = Command(source, state, rules.proxy_for(source.url))
        self._mirror = Mirror(self._command, state / "mirror.git")
        self._trust_branch = source.trust_branch
        self._commits: dict[str, bytes] = {}
        self._trees: dict[str, dict[str, _Entry]] = {}
        self._expected: dict[str, set[str]] = {}

    def list_refs(self) -> Listing:
        """What the source has now.

        Raises:
            RetryLater: the source cannot be asked (codes `source.*`).
        """
        return read_listing(self._command.list_refs(), self._trust_branch)

    def fetch(self, tag: TagRef) -> bytes:
        """Brings a tag, its commit and trees into the mirror; gives the raw bytes of the object.

        Raises:
            Refused: it is not an annotated tag, or the fetch breaks a limit.
            RetryLater: the source cannot be asked, or the ref points elsewhere by now.
        """
        # The name becomes part of a refspec.
        parse_tag(tag.name)
        require_sha1(tag.oid)
        self._forget()
        found = self._stored(tag.oid)
        if found is None:
            self._mirror.fetch_history(f"+refs/tags/{tag.name}:refs/tags/{tag.name}")
            found = self._stored(tag.oid)
        if found is None:
            raise RetryLater(
                f"tag {tag.name} was listed as {tag.oid}, but the source gave another object",
                code="source.changed",
            )
        if found.kind != "tag":
            raise lightweight(tag, found.kind)
        self._expect(tag, found.content)
        return found.content

    def read_file(self, commit: str, path: str) -> bytes:
        """One regular file of a fetched commit.

        Raises:
            Refused: the path is missing (code `file.missing`), or is no regular file (`file.kind`).
        """
        return self._ask(commit, lambda: self._read_file(commit, path))

    def list_files(self, commit: str, folder: str) -> tuple[str, ...]:
        """Paths of the regular files at or below a path; empty when absent.

        Raises:
            Refused: a path could leave its folder (code `file.path`), or there are too many.
        """
        found = self._ask(commit, lambda: self._list_files(commit, folder))
        self._expected.setdefault(commit, set()).update(found)
        return found

    def tree_id(self, commit: str, folder: str) -> str | None:
        """Object id of a folder's tree, or None when the commit does not have the folder."""
        entry = self._ask(commit, lambda: self._entry(commit, folder))
        return entry.oid if entry is not None and entry.mode == _FOLDER else None

    def _ask(self, commit: str, question: Callable[[], T]) -> T:
        """The answer to a question about a commit; a damaged mirror is made anew, once."""
        require_sha1(commit)
        with contextlib.suppress(Damaged):
            self._have(commit)
            return question()
        self._mirror.set_aside()
        self._forget()
        try:
            self._have(commit)
            return question()
        except Damaged as error:
            raise RetryLater(
                f"the source does not give all objects of commit {commit}: {error}",
                code="source.broken",
            ) from error

    def _forget(self) -> None:
        """Reads anew from the mirror: commits and trees are kept only for one release's questions.

        Each is read by a process of its own, and an update asks a dozen questions of one commit.
        """
        self._commits.clear()
        self._trees.clear()

    def _have(self, commit: str) -> None:
        """Fetches a commit by its id where the mirror was made anew since its tag was fetched."""
        if commit in self._commits:
            return
        found = self._mirror.objects([commit])[0]
        if found is None:
            self._mirror.fetch_history(commit)
            found = self._mirror.objects([commit])[0]
        self._commits[commit] = _content(found, commit, "commit")

    def _read_file(self, commit: str, path: str) -> bytes:
        entry = self._entry(commit, path)
        if entry is None:
            raise Refused(f"commit {commit} has no file {path[:80]!r}", code="file.missing")
        if entry.mode not in _REGULAR:
            raise Refused(
                f"{path[:80]!r} in commit {commit} is not a regular file (mode {entry.mode:o})",
                code="file.kind",
            )
        found = self._mirror.objects([entry.oid])[0]
        if found is None:
            self._download_contents(commit, entry.oid)
            found = self._mirror.objects([entry.oid])[0]
        return _content(found, entry.oid, "blob")

    def _download_contents(self, commit: str, oid: str) -> None:
        """Brings a file's content, and by the same connection what will be asked for next."""
        paths = sorted(self._expected.get(commit, ()))
        entries = [self._entry(commit, path) for path in paths]
        oids = {oid} | {entry.oid for entry in entries if entry and entry.mode in _REGULAR}
        self._mirror.fetch_contents(sorted(oids - self._mirror.present(oids)))

    def _list_files(self, commit: str, folder: str) -> tuple[str, ...]:
        start = self._entry(commit, folder)
        level = {PurePosixPath(folder): start} if start else {}
        found: list[str] = []
        while level:
            found += [str(path) for path, entry in level.items() if entry.mode in _REGULAR]
            folders = {path: one.oid for path, one in level.items() if one.mode == _FOLDER}
            self._load_trees(folders.values())
            below = [
                (path / name, e)
                for path, o in folders.items()
                for name, e in self._trees[o].items()
            ]
            if len(found) + len(below) > MAX_ENTRIES:
                raise Refused(
                    f"{folder[:80]!r} in commit {commit} has more than {MAX_ENTRIES} entries",
                    code="source.limit",
                )
            level = dict(below)
        for path in found:
            if not is_safe_path(path):
                raise Refused(f"commit {commit} has an unsafe path {path[:80]!r}", code="file.path")
        return tuple(sorted(found))

    def _entry(self, commit: str, path: str) -> _Entry | None:
        """What is at a path of a commit; `.` is its root."""
        head = self._commits[commit]
        here = _Entry(_FOLDER, head[5:45].decode(errors="replace"))
        for name in PurePosixPath(path).parts:
            if here.mode != _FOLDER:
                return None
            self._load_trees([here.oid])
            below = self._trees[here.oid].get(name)
            if below is None:
                return None
            here = below
        return here

    def _load_trees(self, oids: Iterable[str]) -> None:
        # Not at the top: it takes 3 to 12 MB of memory that polls have no use for.
        from git.objects.fun import tree_entries_from_data  # noqa: PLC0415

        missing = sorted(set(oids) - self._trees.keys())
        for oid, found in zip(missing, self._mirror.objects(missing), strict=True):
            if found is None or found.kind != "tree":
                raise Damaged(f"tree {oid} is missing")
            try:
                entries = tree_entries_from_data(found.content)
            except ValueError as error:
                raise Refused(f"tree {oid} is malformed: {error}", code="source.fsck") from error
            self._trees[oid] = {name: _Entry(mode, sha.hex()) for sha, mode, name in entries}

    def _expect(self, tag: TagRef, raw: bytes) -> None:
        """Notes the files that the manifest names: they will be asked for one by one.

        Nothing is trusted by this; it only decides what one connection brings.
        """
        self._expected.clear()
        with contextlib.suppress(Refused):
            signed = read_tag(tag, raw)
            line = find_block(signed.message)
            self._expected[signed.commit] = set(parse(line).files if line else ())

    def _stored(self, oid: str) -> Object | None:
        """An object that may be in the mirror; a damaged mirror is set aside."""
        try:
            return self._mirror.objects([oid])[0]
        except Damaged:
            self._mirror.set_aside()
            return None


def _content(found: Object | None, oid: str, kind: str) -> bytes:
    """Content of an object that must be in the mirror, and of this kind."""
    if found is None or found.kind != kind:
        raise Damaged(f"{kind} {oid} is missing")
    return found.content


def read_listing(raw: bytes, trust_branch: str) -> Listing:
    """What `ls-remote` printed; lines that are not as git prints them are left out."""
    lines = raw.decode(errors="replace").split("\n")
    refs = [match.groups() for line in lines if (match := _LISTED.fullmatch(line))]
    tags = tuple(TagRef(name, oid) for oid, kind, name in refs if kind == "tags")
    branches = {name: oid for oid, kind, name in refs if kind == "heads"}
    return Listing(tags, branches.get(trust_branch))
