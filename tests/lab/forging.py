"""How each forgery is written, byte for byte: what is wrong with it, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.lab.keys import Keys, Signer, SshKey
from tests.lab.manifest import Manifest, block, canonical
from tests.lab.releases import Draft, Publisher, TagText
from tests.lab.repository import FILE, FOLDER, LINK
from tests.lab.stack import OVERRIDE_FILE


class Forgery(StrEnum):
    """What is wrong with a tag."""

    UNSIGNED = "not signed"
    LIGHTWEIGHT = "lightweight: a ref to a commit"
    WRONG_SSH_KEY = "signed with an SSH key that nobody trusts"
    WRONG_GPG_KEY = "signed with a GPG key that nobody trusts"
    OTHER_ROLE = "signed with a key that may sign freshness alone"
    EXPIRED_GPG_KEY = "signed, backdated, with a GPG key that has expired"
    REVOKED_GPG_KEY = "signed with a GPG key that was revoked"
    EDITED_MESSAGE = "one byte of the message changed after signing"
    EDITED_BY_GPG = "one byte of the message changed after signing, by GPG"
    EXCHANGED_DIGEST = "one image's digest exchanged after signing"
    EXCHANGED_FILE = "one file's hash exchanged after signing"
    OTHER_NAMESPACE = "an SSH signature made for another purpose"
    COSIGN_NAMESPACE = "an SSH signature made for co-signing"
    TRAILING_TEXT = "text behind the signature"
    TWO_SIGNATURES = "a stranger's signature before a good one"
    RENAMED = "a good tag object under another ref"
    SECOND_TAG_HEADER = "two tag headers"
    NESTED = "a tag of a tag"
    SIGNED_BLOB = "a signed tag of a file"
    SIGNED_TREE = "a signed tag of a tree"
    ESCAPES = "a message that moves the cursor"
    HIDDEN_TEXT = "a message that shows another text than it holds"
    HUGE_MESSAGE = "a message of more than half a megabyte"
    OTHER_VERSION = "manifest of another version than the tag"
    OTHER_COMMIT = "manifest of another commit than the tag"
    OTHER_PRODUCT = "manifest of another product"
    LOWER_COUNTER = "counter that has not risen"
    EXPIRED_MANIFEST = "manifest expired"
    FUTURE_MANIFEST = "manifest issued in ten years"
    WRONG_FILE_HASH = "a file's content differs from the manifest"
    MISSING_FILE = "a file in the manifest that the commit lacks"
    PATH_TRAVERSAL = "a path that climbs out"
    ABSOLUTE_PATH = "an absolute path"
    OPTION_PATH = "a path that begins like an option"
    GIT_PATH = "a path into git's own folder"
    SYMLINK = "a deployed file that is a symbolic link"
    LINKED_FOLDER = "a deployed file behind a symbolic link"
    SUBMODULE = "a deployed file that is a submodule"
    CLIMBING_TREE = "a tree with an entry that climbs out"
    GIT_TREE = "a tree with an entry for git's own folder"
    OPTION_IMAGE = "an image that begins like an option"
    TAGGED_IMAGE = "an image by tag instead of by digest"
    NOT_CANONICAL = "manifest not in canonical form"
    DUPLICATE_KEY = "a key twice in the manifest"
    TWO_MANIFESTS = "two manifests in one message"
    UNKNOWN_KEY = "a key in the manifest that the format does not know"
    HUGE_MANIFEST = "a manifest of more than a quarter of a megabyte"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a forger works with: a draft nobody has tagged yet, and every key."""

    draft: Draft
    publisher: Publisher
    keys: Keys
    signer: Signer | None

    def text(self, message: str | None = None) -> TagText:
        """The tag's text before it is signed."""
        wanted = self.draft.message() if message is None else message
        return TagText(self.draft.commit, self.draft.tag, wanted)

    def signed(self, text: TagText, signer: Signer | None = None) -> bytes:
        """The tag, signed well."""
        raw = text.raw()
        return raw + (signer or self.signer or self.publisher.signer).sign(raw)

    def good(self, signer: Signer | None = None) -> bytes:
        """The tag as it should be."""
        return self.signed(self.text(), signer)

    def meant_for(self, namespace: str) -> bytes:
        """A signature of the right key, made for another purpose."""
        signer = self.signer or self.keys.ssh
        assert isinstance(signer, SshKey)
        return self.good(signer.meant_for(namespace))

    def edited(self, old: str, new: str, signer: Signer | None = None) -> bytes:
        """The good tag, with a text in it exchanged after it was signed."""
        raw = self.good(signer)
        assert old.encode() in raw
        return raw.replace(old.encode(), new.encode(), 1)

    def with_block(self, line: str) -> bytes:
        """With another text for the manifest."""
        return self.signed(self.text(f"KoproGo {self.draft.version}\n\n{block(line)}"))

    def with_manifest(self, **changes: object) -> bytes:
        """With changes to the manifest."""
        return self.with_block(canonical(self.draft.manifest | changes))

    def with_files(self, **changes: str) -> bytes:
        """With more files in the manifest, or other hashes."""
        return self.with_manifest(files=self.files | changes)

    def with_image(self, **changes: str) -> bytes:
        """With changes to what the manifest says of one image."""
        images = self.draft.manifest["images"]
        assert isinstance(images, dict)
        return self.with_manifest(images=images | {"backend": images["backend"] | changes})

    @property
    def files(self) -> dict[str, str]:
        """The files in the manifest, with their hashes."""
        files = self.draft.manifest["files"]
        assert isinstance(files, dict)
        return files

    def of_tree(self, tree: str, files: Mapping[str, str]) -> bytes:
        """With a tree of one's own making, of which the manifest also names these files."""
        repository = self.publisher.repository
        commit = repository.commit(tree, [self.draft.commit], "Forged", 1_700_000_000)
        listed = {**self.files, **files}
        line = canonical(self.draft.manifest | {"commit": commit, "files": listed})
        text = self.text(f"KoproGo {self.draft.version}\n\n{block(line)}")
        return self.signed(replace(text, target=commit))

    def with_entry(self, mode: str, name: str, target: str, wanted: str = "") -> bytes:
        """With one more entry in the commit's tree; `wanted` is a file that the manifest names."""
        repository = self.publisher.repository
        raw = repository.read("tree", f"{self.draft.commit}^{{tree}}")
        entries = [*_entries(raw), (mode.encode(), name.encode(), bytes.fromhex(target))]
        entries.sort(key=lambda one: one[1] + (b"/" if one[0] == FOLDER.encode() else b""))
        tree = b"".join(b"%b %b\0%b" % one for one in entries)
        return self.of_tree(repository.store("tree", tree), {wanted: _ZERO} if wanted else {})

    def store(self, kind: str, data: bytes) -> str:
        """Writes an object; its id."""
        return self.publisher.repository.store(kind, data)


def _entries(raw: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Mode, name and id of each entry of a tree."""
    found = []
    while raw:
        head, _, rest = raw.partition(b"\0")
        mode, _, name = head.partition(b" ")
        found.append((mode, name, rest[:20]))
        raw = rest[20:]
    return found


def _two_signatures(bench: Bench) -> bytes:
    raw = bench.text().raw()
    first = raw + bench.keys.other_ssh.sign(raw)
    return first + (bench.signer or bench.publisher.signer).sign(first)


def _second_tag_header(bench: Bench) -> bytes:
    first = bench.publisher.releases[-1].tag
    return bench.signed(replace(bench.text(), name=f"{first}\ntag {bench.draft.tag}"))


def _nested(bench: Bench) -> bytes:
    inner = bench.store("tag", bench.good())
    return bench.signed(replace(bench.text(), target=inner, kind="tag"))


def _of_blob(bench: Bench) -> bytes:
    blob = bench.store("blob", b"not a release\n")
    return bench.signed(replace(bench.text(), target=blob, kind="blob"))


def _of_tree(bench: Bench) -> bytes:
    tree = bench.publisher.repository.git("rev-parse", f"{bench.draft.commit}^{{tree}}")
    return bench.signed(replace(bench.text(), target=tree, kind="tree"))


BACKDATED = "Release Manager <release@koprogo.example> 1577836800 +0000"
"""While the expired key was valid, says the tagger: nobody but the forger vouches for that."""


def _symlink(bench: Bench) -> bytes:
    """The link's target is hashed in the manifest, so that only the entry's kind is wrong."""
    files = {k: v for k, v in bench.draft.tree_files.items() if k != OVERRIDE_FILE}
    tree = bench.publisher.repository.tree(files, {OVERRIDE_FILE: "/etc/shadow"})
    return bench.of_tree(tree, {OVERRIDE_FILE: hashlib.sha256(b"/etc/shadow").hexdigest()})


def _linked_folder(bench: Bench) -> bytes:
    target = bench.store("blob", b"infrastructure")
    wanted = OVERRIDE_FILE.replace("infrastructure", "linked", 1)
    return bench.with_entry(LINK, "linked", target, wanted)


def _submodule(bench: Bench) -> bytes:
    return bench.with_entry("160000", "module", bench.draft.commit, "module")


def _bad_entry(bench: Bench, name: str) -> bytes:
    return bench.with_entry(FILE, name, bench.store("blob", b"x\n"))


def _changed_digest(bench: Bench) -> bytes:
    first = bench.publisher.releases[-1].images["backend"].digest
    return bench.edited(bench.draft.images["backend"].digest, first)


def _lower_counter(bench: Bench) -> bytes:
    return bench.with_manifest(counter=bench.publisher.releases[-1].draft.counter)


def _duplicate_key(bench: Bench) -> bytes:
    line = canonical(bench.draft.manifest)
    return bench.with_block('{"agent_min":"0.0.1",' + line[1:])


def _two_manifests(bench: Bench) -> bytes:
    other: Manifest = bench.draft.manifest | {"severity": "security"}
    both = block(canonical(bench.draft.manifest)) + block(canonical(other))
    return bench.signed(bench.text(f"KoproGo {bench.draft.version}\n\n{both}"))


def _saying(words: str) -> Callable[[Bench], bytes]:
    """A good tag whose message begins with these words."""
    return lambda bench: bench.signed(bench.text(f"{words}\n\n{bench.draft.message()}"))


_ZERO = "0" * 64
WRITERS: Mapping[Forgery, Callable[[Bench], bytes | str]] = {
    Forgery.UNSIGNED: lambda bench: bench.text().raw(),
    Forgery.LIGHTWEIGHT: lambda bench: bench.draft.commit,
    Forgery.WRONG_SSH_KEY: lambda bench: bench.good(bench.keys.other_ssh),
    Forgery.WRONG_GPG_KEY: lambda bench: bench.good(bench.keys.other_gpg),
    Forgery.OTHER_ROLE: lambda bench: bench.good(bench.keys.freshness),
    Forgery.EXPIRED_GPG_KEY: lambda bench: bench.signed(
        replace(bench.text(), tagger=BACKDATED), bench.keys.expired
    ),
    Forgery.REVOKED_GPG_KEY: lambda bench: bench.good(bench.keys.revocable),
    Forgery.EDITED_MESSAGE: lambda bench: bench.edited("This release", "this release"),
    Forgery.EDITED_BY_GPG: lambda bench: bench.edited(
        "This release", "this release", bench.keys.gpg
    ),
    Forgery.EXCHANGED_DIGEST: _changed_digest,
    Forgery.EXCHANGED_FILE: lambda bench: bench.edited(bench.files[OVERRIDE_FILE], _ZERO),
    Forgery.OTHER_NAMESPACE: lambda bench: bench.meant_for("file"),
    Forgery.COSIGN_NAMESPACE: lambda bench: bench.meant_for("koprogo-release"),
    Forgery.TRAILING_TEXT: lambda bench: bench.good() + b"and one more thing\n",
    Forgery.TWO_SIGNATURES: _two_signatures,
    Forgery.RENAMED: lambda bench: bench.publisher.releases[-1].tag_object,
    Forgery.SECOND_TAG_HEADER: _second_tag_header,
    Forgery.NESTED: _nested,
    Forgery.SIGNED_BLOB: _of_blob,
    Forgery.SIGNED_TREE: _of_tree,
    Forgery.ESCAPES: _saying("\x1b[2J\x1b[1;1H\x1b]0;all is well\x07 all is well"),
    Forgery.HIDDEN_TEXT: _saying(
        "rises \N{RIGHT-TO-LEFT OVERRIDE}rewol\N{POP DIRECTIONAL ISOLATE}"
    ),
    Forgery.HUGE_MESSAGE: _saying("long " * 110_000),
    Forgery.OTHER_VERSION: lambda bench: bench.with_manifest(version="1.0.0"),
    Forgery.OTHER_COMMIT: lambda bench: bench.with_manifest(commit="0" * 40),
    Forgery.OTHER_PRODUCT: lambda bench: bench.with_manifest(product="other"),
    Forgery.LOWER_COUNTER: _lower_counter,
    Forgery.EXPIRED_MANIFEST: lambda bench: bench.with_manifest(
        issued="2020-01-01T00:00:00Z", expires="2020-02-01T00:00:00Z"
    ),
    Forgery.FUTURE_MANIFEST: lambda bench: bench.with_manifest(
        issued="2036-11-23T00:00:00Z", expires="2037-11-23T00:00:00Z"
    ),
    Forgery.WRONG_FILE_HASH: lambda bench: bench.with_files(**{OVERRIDE_FILE: _ZERO}),
    Forgery.MISSING_FILE: lambda bench: bench.with_files(**{"infrastructure/none.yml": _ZERO}),
    Forgery.PATH_TRAVERSAL: lambda bench: bench.with_files(**{"../../etc/cron.d/x": _ZERO}),
    Forgery.ABSOLUTE_PATH: lambda bench: bench.with_files(**{"/etc/cron.d/x": _ZERO}),
    Forgery.OPTION_PATH: lambda bench: bench.with_files(**{"--upload-pack": _ZERO}),
    Forgery.GIT_PATH: lambda bench: bench.with_files(**{".git/hooks/post-checkout": _ZERO}),
    Forgery.SYMLINK: _symlink,
    Forgery.LINKED_FOLDER: _linked_folder,
    Forgery.SUBMODULE: _submodule,
    Forgery.CLIMBING_TREE: lambda bench: _bad_entry(bench, ".."),
    Forgery.GIT_TREE: lambda bench: _bad_entry(bench, ".git"),
    Forgery.OPTION_IMAGE: lambda bench: bench.with_image(repository="--config/backend"),
    Forgery.TAGGED_IMAGE: lambda bench: bench.with_image(digest="latest"),
    Forgery.NOT_CANONICAL: lambda bench: bench.with_block(json.dumps(bench.draft.manifest)),
    Forgery.DUPLICATE_KEY: _duplicate_key,
    Forgery.TWO_MANIFESTS: _two_manifests,
    Forgery.UNKNOWN_KEY: lambda bench: bench.with_manifest(run="/bin/sh"),
    Forgery.HUGE_MANIFEST: lambda bench: bench.with_manifest(product="x" * 300_000),
}
