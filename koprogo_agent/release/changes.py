"""What changes from one release to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from koprogo_agent.domain.manifest import Manifest
from koprogo_agent.domain.versions import Version


@dataclass(frozen=True)
class Difference:
    """What became of the entries of a map, by their names.

    Attributes:
        same: how many are as they were.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    same: int

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it was."""
        return not (self.added or self.changed or self.removed)

    @property
    def is_none(self) -> bool:
        """Whether there is nothing, and was nothing."""
        return self.is_empty and not self.same


@dataclass(frozen=True)
class Changes:
    """What is new in a release.

    Attributes:
        since: the version of the release before it, or None.
    """

    since: Version | None
    images: Difference
    files: Difference


def compare(before: Mapping[str, object], after: Mapping[str, object]) -> Difference:
    """What became of the entries of a map."""
    both = before.keys() & after.keys()
    changed = {name for name in both if before[name] != after[name]}
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(before.keys() - after.keys())),
        same=len(both) - len(changed),
    )


def changes(before: Manifest | None, after: Manifest) -> Changes:
    """What is new in a release, after another one or none."""
    return Changes(
        since=before.version if before else None,
        images=compare(before.images if before else {}, after.images),
        files=compare(before.files if before else {}, after.files),
    )
