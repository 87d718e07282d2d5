"""Migrations from one release to the next: some may be added, and none may be otherwise."""

from __future__ import annotations

from koprogo_agent.errors import Refused
from koprogo_agent.release.changes import Difference, compare
from koprogo_agent.release.clone import Clone

_SHOWN = 5


def read_added(
    clone: Clone, before: str | None, commit: str, folder: str, hint: str = ""
) -> Difference:
    """What became of the migrations since an earlier commit.

    A database that has run a migration knows its checksum: another one under the same number, or
    none, and the backend refuses to start.

    Args:
        clone: where the commits are.
        before: the commit of the release before, or None.
        commit: the commit that is to be released.
        folder: where the migrations are.
        hint: what else may be done where they were changed, for the advice.

    Raises:
        Refused: one was changed or removed (code `migrations.changed`).
    """
    earlier = clone.entries(before, folder) if before else {}
    found = compare(
        {path: entry.oid for path, entry in earlier.items()},
        {path: entry.oid for path, entry in clone.entries(commit, folder).items()},
    )
    broken = (*found.changed, *found.removed)
    if broken:
        more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise Refused(
            f"migrations that instances have run were changed or removed:"
            f" {', '.join(broken[:_SHOWN])}{more}",
            code="migrations.changed",
            advice=f"put them back as they were, and add a new migration instead{hint}",
        )
    return found
