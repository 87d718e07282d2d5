"""Tags that must not be believed: each known way in.

Every forgery but the moved tag uses the next version, so that an agent which believed it would
install it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.lab.forging import WRITERS, Bench, Forgery
from tests.lab.keys import Keys, Signer
from tests.lab.releases import Draft, Publisher, Release

__all__ = ["BAD_NAMES", "BAD_REFS", "Forged", "Forger", "Forgery"]

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
    "--upload-pack=touch",
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
        bench = self._bench(self._publisher.draft(), signer)
        raw = WRITERS[forgery](bench)
        ref = f"refs/tags/{bench.draft.tag}"
        name = raw if isinstance(raw, str) else self._repository.store("tag", raw)
        self._repository.point(ref, name)
        return Forged(ref, name, bench.draft)

    def bad_name(self, name: str) -> Forged:
        """Publish a well-signed tag under a name that is no release's."""
        return self._sign_under(name, f"refs/tags/{name}")

    def bad_ref(self, ref: str) -> Forged:
        """Publish a well-signed tag object under a full ref that is no tag's."""
        return self._sign_under(ref.rpartition("/")[2], ref)

    def other_content(self, changes: Mapping[str, bytes]) -> Forged:
        """Publish a release, well signed, whose commit holds other files than its manifest says."""
        draft = self._publisher.draft()
        return self.with_tree(draft, self._repository.tree({**draft.tree_files, **changes}))

    def with_tree(self, draft: Draft, tree: str) -> Forged:
        """Publish a draft, well signed, with another tree."""
        return self.publish(self._bench(draft, None).of_tree(tree, {}), draft)

    def amended(self, draft: Draft, changes: Mapping[str, bytes]) -> Forged:
        """Publish a draft with other files, of which the manifest tells the truth: no forgery."""
        tree = self._repository.tree({**draft.tree_files, **changes})
        hashes = {path: hashlib.sha256(content).hexdigest() for path, content in changes.items()}
        return self.publish(self._bench(draft, None).of_tree(tree, hashes), draft)

    def move(self, release: Release) -> Forged:
        """Publish a release's tag anew, well signed, on another commit."""
        other = self._publisher.draft(version=release.version)
        return self.publish(self._bench(other, None).good(), other)

    def publish(self, raw: bytes, draft: Draft) -> Forged:
        """Publish these very bytes as the tag of a draft."""
        identity = self._repository.store("tag", raw)
        self._repository.point(f"refs/tags/{draft.tag}", identity)
        return Forged(f"refs/tags/{draft.tag}", identity, draft)

    def restore(self, release: Release) -> None:
        """Let a release's tag name its first object again."""
        self._repository.point(f"refs/tags/{release.tag}", release.tag_object)

    def withdraw(self, forged: Forged | Release) -> None:
        """Take the ref away."""
        self._repository.drop(forged.ref if isinstance(forged, Forged) else _ref(forged))

    def _bench(self, draft: Draft, signer: Signer | None) -> Bench:
        return Bench(draft, self._publisher, self._keys, signer)

    def _sign_under(self, name: str, ref: str) -> Forged:
        bench = self._bench(self._publisher.draft(), None)
        raw = bench.signed(replace(bench.text(), name=name))
        identity = self._repository.store("tag", raw)
        self._repository.point(ref, identity)
        return Forged(ref, identity, bench.draft)


def _ref(release: Release) -> str:
    return f"refs/tags/{release.tag}"
