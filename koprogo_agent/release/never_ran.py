"""Releases to leave behind: yanked ones whose migrations no database can hold.

A release whose migration fails on every database is yanked, and the next one must do without that
migration. `prepare` cannot see what ran on instances: the release manager says so, with a reason
that everybody signs with the manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from koprogo_agent.domain.freshness import Freshness
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.errors import Refused
from koprogo_agent.release.freshening import one_line
from koprogo_agent.release.releases import Releases, Tagged


def require_yanked(
    wanted: Sequence[str], reason: str, releases: Releases, said: Freshness | None
) -> Mapping[Version, str]:
    """Return the releases to leave behind, each with the reason.

    Args:
        wanted: their versions, as they were typed.
        reason: why no instance can have run them.
        releases: the releases of this clone.
        said: the freshness document in force.

    Raises:
        Refused: there is no such release (code `version.unknown`), it was not yanked
            (`never_ran.not_yanked`), or no reason is given (`never_ran.reason`).
        NeedsOperator: the reason is too long (code `config.reason`).
    """
    line = one_line(reason)
    versions = [parse_version(one.removeprefix("v")) for one in wanted]
    if versions and not (line and line.isprintable()):
        raise Refused(
            "--never-ran needs a reason, as one line of text",
            code="never_ran.reason",
            advice='say why no instance can have run it: --reason "its migration fails everywhere"',
        )
    for version in versions:
        if releases.of(version) is None:
            raise Refused(f"there is no release {version}", code="version.unknown")
        if said is None or version not in said.yanked:
            raise Refused(
                f"v{version} was not yanked: an instance may install it at any time",
                code="never_ran.not_yanked",
                advice=f'koprogo-release yank {version} --reason "why"; then type the same again',
            )
    return dict.fromkeys(versions, line)


def base_of(releases: Releases, left: Collection[Version]) -> Tagged | None:
    """Return the newest release that instances may have run."""
    return Releases(tuple(one for one in releases.tagged if one.version not in left)).last


def hint(base: Tagged | None, said: Freshness | None) -> str:
    """Return how to leave a yanked release behind, as the end of an advice; else nothing."""
    if base is None or said is None or base.version not in said.yanked:
        return ""
    option = f'--never-ran {base.ref.name} --reason "why"'
    return f"; or, if no instance can have run {base.ref.name}, which was yanked: {option}"
