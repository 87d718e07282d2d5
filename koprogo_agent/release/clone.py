"""The product's repository, as this clone has it: commits, files and tags, from git's objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.release.git import Git, last_words

REGULAR = frozenset({"100644", "100755"})
_TAGS = "refs/tags/"


class Entry(NamedTuple):
    """What a tree says of a path: git's mode, and the id of the content."""

    mode: str
    oid: str

    @property
    def is_regular(self) -> bool:
        """Whether it is a plain file: no link, no submodule."""
        return self.mode in REGULAR


class Clone:
    """A clone of the product's repository."""

    def __init__(self, git: Git) -> None:
        """Prepares; nothing is read yet."""
        self._git = git

    def commit(self, name: str) -> str:
        """The id of a commit that somebody names.

        Raises:
            NeedsOperator: there is none of that name here (code `git.no_commit`).
        """
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        done = self._git.run(*words)
        if done.returncode != 0:
            raise NeedsOperator(
                f"this clone has no commit {name[:80]!r}",
                code="git.no_commit",
                advice="git fetch --all --tags; if the clone is shallow: git fetch --unshallow",
            )
        return done.stdout.decode().strip()

    def changed_files(self) -> tuple[str, ...]:
        """Files that git follows here and that differ from the commit that is checked out."""
        words = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=no")
        lines = self._git.ask(*words).decode(errors="replace").split("\0")
        return tuple(line[3:] for line in lines if line)

    def entries(self, commit: str, path: str = "") -> dict[str, Entry]:
        """All that is at or below a path of a commit, by its path in the repository."""
        words = ("ls-tree", "-r", "-z", "--full-tree", commit, *(["--", path] if path else []))
        found = {}
        for line in self._git.ask(*words).decode(errors="replace").split("\0"):
            if line:
                head, _, name = line.partition("\t")
                mode, _, oid = head.split(" ")
                found[name] = Entry(mode, oid)
        return found

    def contents(self, entries: Mapping[str, Entry]) -> dict[str, bytes]:
        """The contents of files, by their paths.

        Raises:
            NeedsOperator: one is not here, as in a partial clone (code `git.no_object`).
        """
        found = self._git.objects([entry.oid for entry in entries.values()])
        contents = {}
        for path, one in zip(entries, found, strict=True):
            if one is None:
                raise NeedsOperator(
                    f"this clone lacks the content of {path[:80]!r}",
                    code="git.no_object",
                    advice="clone the repository whole, without --filter",
                )
            contents[path] = one.content
        return contents

    def tags(self) -> dict[TagRef, bytes]:
        """The tags whose names are versions, each with the raw bytes of what it points at."""
        printed = self._git.ask("for-each-ref", "--format=%(objectname) %(refname)", _TAGS)
        pairs = (line.split(" ", 1) for line in printed.decode(errors="replace").splitlines())
        refs = [TagRef(name.removeprefix(_TAGS), oid) for oid, name in pairs]
        releases = [ref for ref in refs if is_release(ref.name)]
        found = self._git.objects([ref.oid for ref in releases])
        return {ref: one.content for ref, one in zip(releases, found, strict=True) if one}

    def tagged_commit(self, tag: str) -> str:
        """The commit that a tag leads to; raises as `commit` does."""
        return self.commit(f"{_TAGS}{tag}")

    def tag_id(self, raw: bytes) -> str:
        """The id that a tag object of these bytes has.

        Raises:
            Refused: git takes them for no tag (code `tag.malformed`).
        """
        return self._hash(raw)

    def store_tag(self, raw: bytes) -> str:
        """Writes a tag object byte for byte; raises as `tag_id` does."""
        return self._hash(raw, "-w")

    def point_tag(self, tag: str, oid: str) -> None:
        """Makes a tag; one that is there is never moved.

        Raises:
            NeedsOperator: there is such a tag already (code `git.failed`).
        """
        self._git.ask("update-ref", f"{_TAGS}{tag}", oid, "0" * len(oid))

    def identity(self) -> str:
        """`Name <mail>` of whoever works here.

        Raises:
            NeedsOperator: git does not know it (code `git.no_identity`).
        """
        done = self._git.run("var", "GIT_COMMITTER_IDENT")
        if done.returncode != 0:
            raise NeedsOperator(
                "git does not know who you are",
                code="git.no_identity",
                advice='git config user.name "Your Name"; git config user.email you@example.org',
            )
        return done.stdout.decode(errors="replace").strip().rsplit(" ", 2)[0]

    def _hash(self, raw: bytes, *options: str) -> str:
        done = self._git.run("hash-object", "-t", "tag", *options, "--stdin", stdin=raw)
        if done.returncode != 0:
            raise Refused(f"git takes this for no tag: {last_words(done)}", code="tag.malformed")
        return done.stdout.decode().strip()


def regular(entries: Mapping[str, Entry], path: str) -> Entry:
    """What a tree says of a plain file.

    Raises:
        Refused: there is none of that path (codes `file.missing`, `file.kind`).
    """
    entry = entries.get(path)
    if entry is None:
        raise Refused(
            f"the commit has no file {path!r}",
            code="file.missing",
            advice="commit it, or correct koprogo-release.toml",
        )
    if not entry.is_regular:
        raise Refused(f"{path!r} is no plain file in the commit", code="file.kind")
    return entry


def irregular(entries: Mapping[str, Entry]) -> Iterable[str]:
    """The paths that are no plain files, which no agent would deploy."""
    return (path for path, entry in entries.items() if not entry.is_regular)


def is_release(name: str) -> bool:
    """Whether a tag's name is a version."""
    try:
        parse_tag(name)
    except Refused:
        return False
    return True
