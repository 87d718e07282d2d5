"""Tags that must not be believed: each known way in, written byte for byte.

Every forgery but the moved tag uses the next version, so that an agent which believed it would
install it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.lab.keys import Keys, Signer, SshKey
from tests.lab.manifest import Manifest, block, canonical
from tests.lab.releases import Draft, Publisher, Release, TagText
from tests.lab.stack import INGRESS_FILE


class Forgery(StrEnum):
    """What is wrong with a tag."""

    UNSIGNED = "not signed"
    LIGHTWEIGHT = "lightweight: a ref to a commit"
    WRONG_SSH_KEY = "signed with an SSH key that nobody trusts"
    WRONG_GPG_KEY = "signed with a GPG key that nobody trusts"
    EXPIRED_GPG_KEY = "signed, backdated, with a GPG key that has expired"
    REVOKED_GPG_KEY = "signed with a GPG key that was revoked"
    EDITED_MESSAGE = "one byte of the message changed after signing"
    OTHER_NAMESPACE = "an SSH signature made for another purpose"
    TRAILING_TEXT = "text behind the signature"
    TWO_SIGNATURES = "a stranger's signature before a good one"
    RENAMED = "a good tag object under another ref"
    SECOND_TAG_HEADER = "two tag headers"
    NESTED = "a tag of a tag"
    SIGNED_BLOB = "a signed tag of a file"
    SIGNED_TREE = "a signed tag of a tree"
    OTHER_VERSION = "manifest of another version than the tag"
    OTHER_COMMIT = "manifest of another commit than the tag"
    OTHER_PRODUCT = "manifest of another product"
    LOWER_COUNTER = "counter that has not risen"
    EXPIRED_MANIFEST = "manifest expired"
    WRONG_FILE_HASH = "a file's content differs from the manifest"
    MISSING_FILE = "a file in the manifest that the commit lacks"
    PATH_TRAVERSAL = "a path that climbs out"
    ABSOLUTE_PATH = "an absolute path"
    SYMLINK = "a deployed file that is a symbolic link"
    NOT_CANONICAL = "manifest not in canonical form"
    DUPLICATE_KEY = "a key twice in the manifest"
    TWO_MANIFESTS = "two manifests in one message"
    UNKNOWN_KEY = "a key in the manifest that the format does not know"


# Names that are no release's: each is published with a good signature over that very name.
BAD_NAMES = (
    "v1.2",
    "v01.2.3",
    "v1.2.3.4",
    "V9.9.9",
    "9.9.9",
    "v9.9.9+build",
    "v9.9.9-",
    "release-9.9.9",
    "v9.9.9/x",
)
# Full refs outside refs/tags, which a short name could be resolved to.
BAD_REFS = ("refs/v9.9.8", "refs/heads/v9.9.8", "refs/remotes/v9.9.8")


@dataclass(frozen=True, slots=True)
class Forged:
    """What was published: the full ref, the object that it names, and the draft behind it."""

    ref: str
    object: str
    draft: Draft

    @property
    def tag(self) -> str:
        """The ref's short name."""
        return self.ref.removeprefix("refs/tags/")


class Forger:
    """Publishes forgeries beside a publisher's releases."""

    def __init__(self, publisher: Publisher, keys: Keys) -> None:
        """`publisher` must have published one good release at least."""
        self._publisher = publisher
        self._repository = publisher.repository
        self._keys = keys

    def forge(self, forgery: Forgery, signer: Signer | None = None) -> Forged:
        """Publish one; what is signed well in it is signed by `signer` (the publisher's own)."""
        draft = self._publisher.draft()
        raw = _WRITERS[forgery](_Bench(draft, self._publisher, self._keys, signer))
        ref = f"refs/tags/{draft.tag}"
        name = raw if isinstance(raw, str) else self._repository.store("tag", raw)
        self._repository.point(ref, name)
        return Forged(ref, name, draft)

    def bad_name(self, name: str) -> Forged:
        """Publish a well-signed tag under a name that is no release's."""
        return self._sign_under(name, f"refs/tags/{name}")

    def bad_ref(self, ref: str) -> Forged:
        """Publish a well-signed tag object under a full ref that is no tag's."""
        return self._sign_under(ref.rpartition("/")[2], ref)

    def move(self, release: Release) -> Forged:
        """Publish a release's tag anew, well signed, on another commit."""
        other = self._publisher.draft(version=release.version)
        return self._point(_Bench(other, self._publisher, self._keys, None).good(), other)

    def restore(self, release: Release) -> None:
        """Let a release's tag name its first object again."""
        self._repository.point(f"refs/tags/{release.tag}", release.tag_object)

    def _sign_under(self, name: str, ref: str) -> Forged:
        draft = self._publisher.draft()
        bench = _Bench(draft, self._publisher, self._keys, None)
        raw = bench.signed(replace(bench.text(), name=name))
        identity = self._repository.store("tag", raw)
        self._repository.point(ref, identity)
        return Forged(ref, identity, draft)

    def _point(self, raw: bytes, draft: Draft) -> Forged:
        identity = self._repository.store("tag", raw)
        self._repository.point(f"refs/tags/{draft.tag}", identity)
        return Forged(f"refs/tags/{draft.tag}", identity, draft)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What a forger works with: a draft nobody has tagged yet, and every key."""

    draft: Draft
    publisher: Publisher
    keys: Keys
    signer: Signer | None

    def text(self, message: str | None = None) -> TagText:
        wanted = self.draft.message() if message is None else message
        return TagText(self.draft.commit, self.draft.tag, wanted)

    def signed(self, text: TagText, signer: Signer | None = None) -> bytes:
        raw = text.raw()
        return raw + (signer or self.signer or self.publisher.signer).sign(raw)

    def good(self) -> bytes:
        return self.signed(self.text())

    def with_block(self, line: str) -> bytes:
        return self.signed(self.text(f"KoproGo {self.draft.version}\n\n{block(line)}"))

    def with_manifest(self, **changes: object) -> bytes:
        return self.with_block(canonical(self.draft.manifest | changes))

    def with_files(self, **changes: str) -> bytes:
        files = self.draft.manifest["files"]
        assert isinstance(files, dict)
        return self.with_manifest(files=files | changes)

    def store(self, kind: str, data: bytes) -> str:
        return self.publisher.repository.store(kind, data)


def _edited(bench: _Bench) -> bytes:
    return bench.good().replace(b"This release", b"this release", 1)


def _other_namespace(bench: _Bench) -> bytes:
    signer = bench.signer or bench.keys.ssh
    assert isinstance(signer, SshKey)
    return bench.signed(bench.text(), replace(signer, namespace="file"))


def _two_signatures(bench: _Bench) -> bytes:
    raw = bench.text().raw()
    first = raw + bench.keys.other_ssh.sign(raw)
    return first + (bench.signer or bench.publisher.signer).sign(first)


def _renamed(bench: _Bench) -> str:
    return bench.publisher.releases[-1].tag_object


def _second_tag_header(bench: _Bench) -> bytes:
    first = bench.publisher.releases[-1].tag
    text = replace(bench.text(), name=f"{first}\ntag {bench.draft.tag}")
    return bench.signed(text)


def _nested(bench: _Bench) -> bytes:
    inner = bench.store("tag", bench.good())
    return bench.signed(replace(bench.text(), target=inner, kind="tag"))


def _of_blob(bench: _Bench) -> bytes:
    blob = bench.store("blob", b"not a release\n")
    return bench.signed(replace(bench.text(), target=blob, kind="blob"))


def _of_tree(bench: _Bench) -> bytes:
    tree = bench.publisher.repository.git("rev-parse", f"{bench.draft.commit}^{{tree}}")
    return bench.signed(replace(bench.text(), target=tree, kind="tree"))


def _expired_key(bench: _Bench) -> bytes:
    # While the key was valid, says the tagger: nobody but the forger vouches for that date.
    text = replace(
        bench.text(), tagger="Release Manager <release@koprogo.example> 1577836800 +0000"
    )
    return bench.signed(text, bench.keys.expired)


def _symlink(bench: _Bench) -> bytes:
    """The link's target is hashed in the manifest, so that only the entry's kind is wrong."""
    repository = bench.publisher.repository
    files = {k: v for k, v in bench.draft.tree_files.items() if k != INGRESS_FILE}
    tree = repository.tree(files, {INGRESS_FILE: "/etc/shadow"})
    commit = repository.commit(tree, [bench.draft.commit], "Link", 1_700_000_000)
    hashes = {INGRESS_FILE: _sha256(b"/etc/shadow")}
    listed = bench.draft.manifest["files"]
    assert isinstance(listed, dict)
    line = canonical(bench.draft.manifest | {"commit": commit, "files": listed | hashes})
    text = bench.text(f"KoproGo {bench.draft.version}\n\n{block(line)}")
    return bench.signed(replace(text, target=commit))


def _lower_counter(bench: _Bench) -> bytes:
    return bench.with_manifest(counter=bench.publisher.releases[-1].draft.counter)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _duplicate_key(bench: _Bench) -> bytes:
    line = canonical(bench.draft.manifest)
    return bench.with_block('{"agent_min":"0.0.1",' + line[1:])


def _two_manifests(bench: _Bench) -> bytes:
    other: Manifest = bench.draft.manifest | {"severity": "security"}
    both = block(canonical(bench.draft.manifest)) + block(canonical(other))
    return bench.signed(bench.text(f"KoproGo {bench.draft.version}\n\n{both}"))


_ZERO = "0" * 64
_WRITERS: Mapping[Forgery, Callable[[_Bench], bytes | str]] = {
    Forgery.UNSIGNED: lambda bench: bench.text().raw(),
    Forgery.LIGHTWEIGHT: lambda bench: bench.draft.commit,
    Forgery.WRONG_SSH_KEY: lambda bench: bench.signed(bench.text(), bench.keys.other_ssh),
    Forgery.WRONG_GPG_KEY: lambda bench: bench.signed(bench.text(), bench.keys.other_gpg),
    Forgery.EXPIRED_GPG_KEY: _expired_key,
    Forgery.REVOKED_GPG_KEY: lambda bench: bench.signed(bench.text(), bench.keys.revocable),
    Forgery.EDITED_MESSAGE: _edited,
    Forgery.OTHER_NAMESPACE: _other_namespace,
    Forgery.TRAILING_TEXT: lambda bench: bench.good() + b"and one more thing\n",
    Forgery.TWO_SIGNATURES: _two_signatures,
    Forgery.RENAMED: _renamed,
    Forgery.SECOND_TAG_HEADER: _second_tag_header,
    Forgery.NESTED: _nested,
    Forgery.SIGNED_BLOB: _of_blob,
    Forgery.SIGNED_TREE: _of_tree,
    Forgery.OTHER_VERSION: lambda bench: bench.with_manifest(version="1.0.0"),
    Forgery.OTHER_COMMIT: lambda bench: bench.with_manifest(commit="0" * 40),
    Forgery.OTHER_PRODUCT: lambda bench: bench.with_manifest(product="other"),
    Forgery.LOWER_COUNTER: _lower_counter,
    Forgery.EXPIRED_MANIFEST: lambda bench: bench.with_manifest(
        issued="2020-01-01T00:00:00Z", expires="2020-02-01T00:00:00Z"
    ),
    Forgery.WRONG_FILE_HASH: lambda bench: bench.with_files(**{INGRESS_FILE: _ZERO}),
    Forgery.MISSING_FILE: lambda bench: bench.with_files(**{"infrastructure/none.yml": _ZERO}),
    Forgery.PATH_TRAVERSAL: lambda bench: bench.with_files(**{"../../etc/cron.d/x": _ZERO}),
    Forgery.ABSOLUTE_PATH: lambda bench: bench.with_files(**{"/etc/cron.d/x": _ZERO}),
    Forgery.SYMLINK: _symlink,
    Forgery.NOT_CANONICAL: lambda bench: bench.with_block(json.dumps(bench.draft.manifest)),
    Forgery.DUPLICATE_KEY: _duplicate_key,
    Forgery.TWO_MANIFESTS: _two_manifests,
    Forgery.UNKNOWN_KEY: lambda bench: bench.with_manifest(run="/bin/sh"),
}
