"""The git repository of releases, with real raw tag objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import AgentError, Refused
from koprogo_agent.ports import Listing
from tests.simulation.signing import sign

KEY = "release-manager"


def git_id(kind: str, content: bytes) -> str:
    """The id of a git object."""
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def tag_object(name: str, commit: str, message: str, key: str = KEY) -> bytes:
    """The raw bytes of a signed tag; an empty key leaves it unsigned."""
    tagger = "Release Manager <releases@example.org> 1767614400 +0000"
    head = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message}"
    signature = sign(key, Purpose.TAG, head.encode()) if key else ""
    return (head + signature).encode()


@dataclass
class Origin:
    """The source port.

    Attributes:
        refs: tag name -> object id.
        objects: object id -> raw tag object.
        commits: commit id -> path -> content.
        trust: the commit at which the trust branch stands.
        failure: raised instead of an answer, while set.
    """

    refs: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    trust: str | None = None
    failure: AgentError | None = None

    def commit(self, files: Mapping[str, bytes], note: str) -> str:
        """Commits files and gives the commit's id."""
        listing = "".join(f"{path} {git_id('blob', files[path])}\n" for path in sorted(files))
        commit = git_id("commit", f"{listing}\n{note}".encode())
        self.commits[commit] = dict(files)
        return commit

    def tag(self, name: str, raw: bytes) -> TagRef:
        """Points a tag at an object; pointing it elsewhere is how a tag moves."""
        oid = git_id("tag", raw)
        self.objects[oid] = raw
        self.refs[name] = oid
        return TagRef(name, oid)

    def list_refs(self) -> Listing:
        """What is there now."""
        if self.failure is not None:
            raise self.failure
        tags = tuple(TagRef(name, oid) for name, oid in sorted(self.refs.items()))
        return Listing(tags, self.trust)

    def fetch(self, tag: TagRef) -> bytes:
        """The raw object of a tag."""
        if self.failure is not None:
            raise self.failure
        return self.objects[tag.oid]

    def read_file(self, commit: str, path: str) -> bytes:
        """A file of a commit."""
        if self.failure is not None:
            raise self.failure
        content = self.commits[commit].get(path)
        if content is None:
            raise Refused(f"{path} is not a file of {commit}", code="file.missing")
        return content

    def list_files(self, commit: str, folder: str) -> tuple[str, ...]:
        """The files at or below a path."""
        return tuple(sorted(path for path in self.commits[commit] if _below(path, folder)))

    def tree_id(self, commit: str, folder: str) -> str | None:
        """The id of a folder's tree."""
        files = self.commits[commit]
        below = [path for path in sorted(files) if path.startswith(f"{folder}/")]
        text = "".join(f"{path} {git_id('blob', files[path])}\n" for path in below)
        return git_id("tree", text.encode()) if below else None


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
