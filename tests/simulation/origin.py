"""The git repository of releases, with real raw tag objects, and who may sign them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from koprogo_agent.domain.tags import SignedTag, TagRef
from koprogo_agent.domain.trust import Signer
from koprogo_agent.errors import AgentError, Refused

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
KEY = "release-manager"


def git_id(kind: str, content: bytes) -> str:
    """The id of a git object."""
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def tag_object(name: str, commit: str, message: str, key: str = KEY) -> bytes:
    """The raw bytes of a signed tag; an empty key leaves it unsigned."""
    tagger = "Release Manager <releases@example.org> 1767614400 +0000"
    head = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message}"
    return (head + (_signature(key, head.encode()) if key else "")).encode()


def _signature(key: str, payload: bytes) -> str:
    return f"{_BEGIN}{key}\n{hashlib.sha256(key.encode() + payload).hexdigest()}\n{_END}"


@dataclass
class Origin:
    """The source port.

    Attributes:
        refs: tag name -> object id.
        objects: object id -> raw tag object.
        commits: commit id -> path -> content.
        failure: raised instead of an answer, while set.
    """

    refs: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
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

    def list_tags(self) -> tuple[TagRef, ...]:
        """What is tagged now."""
        if self.failure is not None:
            raise self.failure
        return tuple(TagRef(name, oid) for name, oid in sorted(self.refs.items()))

    def fetch(self, tag: TagRef) -> bytes:
        """The raw object of a tag."""
        if self.failure is not None:
            raise self.failure
        return self.objects[tag.oid]

    def read_file(self, commit: str, path: str) -> bytes:
        """A file of a commit."""
        content = self.commits[commit].get(path)
        if content is None:
            raise Refused(f"{path} is not a file of {commit}", code="git.no_file")
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


@dataclass
class Trust:
    """The signatures port: a signature is good when a trusted key's name made it of the payload."""

    keys: set[str] = field(default_factory=lambda: {KEY})

    def state(self) -> str:
        """Changes with the keys."""
        return ",".join(sorted(self.keys))

    def check(self, tag: SignedTag, at: datetime) -> Signer:  # noqa: ARG002 - the port's
        """Who signed."""
        for key in self.keys:
            if tag.signature == _signature(key, tag.payload).encode():
                return Signer(kind=str(tag.kind), key=f"SHA256:{key}", name=key)
        raise Refused(f"no trusted key signed {tag.ref.name}", code="signature.untrusted")
