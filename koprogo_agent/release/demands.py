"""What a release must satisfy before it is prepared, one function for each demand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.chain import root_expiry
from koprogo_agent.domain.overlay import repository
from koprogo_agent.domain.root import Root
from koprogo_agent.domain.versions import Version, parse_comparator, parse_version, permits
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.release.clone import Clone, regular
from koprogo_agent.release.deployed import Deployed
from koprogo_agent.release.images import Resolved
from koprogo_agent.release.releases import Releases, Tagged

_SHOWN = 3
_TELLS = re.compile(r"""version\w*["']?\s*[:=]\s*["']([^"'\s]+)["']""", re.IGNORECASE)
"""How Python, TOML and JSON tell a version: `__version__ = "1.2.0"`, `"version": "1.2.0"`."""


def new_version(text: str, releases: Releases) -> Version:
    """A version in the grammar, above every tag that there is.

    Raises:
        Refused: it is not (codes `version.grammar`, `version.old`).
    """
    version = parse_version(text.removeprefix("v"))
    newest = releases.newest
    if newest is not None and version <= newest.version:
        raise Refused(
            f"{version} is not above {newest.version}, the newest tag",
            code="version.old",
            advice="name a higher version; a tag is never used twice",
        )
    return version


def released_commit(clone: Clone, name: str | None) -> str:
    """The commit to release: the one that is named, or what is checked out, with no change on it.

    Raises:
        Refused: files differ from the commit (code `tree.changed`).
        NeedsOperator: there is no such commit.
    """
    changed = clone.changed_files() if name is None else ()
    if changed:
        raise Refused(
            f"the tree differs from the commit in {', '.join(changed[:_SHOWN])}"
            f"{f' and {len(changed) - _SHOWN} more' if len(changed) > _SHOWN else ''}",
            code="tree.changed",
            advice="commit them (git commit), or name the commit: --commit REF",
        )
    return clone.commit(name or "HEAD")


def told_version(clone: Clone, commit: str, path: str, version: Version) -> Version:
    """A file of the commit tells the version that is released: somebody has to set it there.

    Raises:
        Refused: it is missing, or tells another or none (codes `file.*`, `version.file`).
    """
    content = clone.contents({path: regular(clone.entries(commit, path), path)})[path]
    told = _TELLS.search(content.decode(errors="replace"))
    if told is None or told[1] != str(version):
        raise Refused(
            f"{path} says {told[1][:40]!r}, and not {version}"
            if told
            else f"{path} says no version",
            code="version.file",
            advice="set it there, commit it, and build the images from that commit",
        )
    return version


def root_in_force(root: Root, product: str, now: datetime) -> Root:
    """A trust root that has not expired, for this product.

    Raises:
        Refused: it is not (codes `root.expired`, `root.product`).
    """
    if expired := root_expiry(root, now):
        raise Refused(
            expired,
            code="root.expired",
            advice="make the next one, with new dates: koprogo-release rotate",
        )
    if root.product != product:
        raise Refused(
            f"{root.subject} is for {root.product!r}, and koprogo-release.toml says {product!r}",
            code="root.product",
        )
    return root


def used_images(images: Iterable[Resolved], deployed: Deployed) -> tuple[str, ...]:
    """Each image is run by some service: an agent finds the services that it pins by them.

    Raises:
        Refused: none runs one of them (code `image.unused`).
    """
    repositories = tuple(one.image.repository for one in images)
    for name in repositories:
        if name not in deployed.repositories:
            raise Refused(
                f"no service of the compose files runs {name}; they run"
                f" {', '.join(sorted(deployed.repositories))}",
                code="image.unused",
                advice="correct images in koprogo-release.toml, or values, where a variable of the"
                " compose files names the registry",
            )
    return repositories


@dataclass(frozen=True)
class Unpinned:
    """An image of the stack that no digest pins: its tag may lead to another one tomorrow.

    Attributes:
        said: which services run it.
        advice: what to type so that the manifest pins it.
    """

    said: str
    advice: str


def unpinned(deployed: Deployed, images: Mapping[str, str]) -> Iterator[Unpinned]:
    """Name the images that neither the manifest nor the compose files pin by a digest.

    Args:
        deployed: what is deployed.
        images: name -> repository of what the manifest pins.
    """
    services: dict[str, list[str]] = {}
    for service, reference in sorted(deployed.images.items()):
        if "@" not in reference and repository(reference) not in images.values():
            services.setdefault(reference, []).append(service)
    for reference, names in services.items():
        line = f'{names[0]} = "{repository(reference)}"'
        yield Unpinned(
            f"{reference}, run by {', '.join(names)}: the tag may lead to another image tomorrow",
            f"add to [images] in koprogo-release.toml: {line}",
        )


def comparators(wanted: Sequence[str] | None, last: Tagged | None) -> tuple[str, ...]:
    """From which versions one may come to the release: as is wanted, else as the last one said.

    Raises:
        Refused: one is no comparator (code `version.grammar`).
    """
    if wanted is not None:
        parts = (part.strip() for one in wanted for part in one.split(","))
        return tuple(parse_comparator(part) for part in parts if part)
    return last.claimed.upgrade_from if last and last.claimed else ()


def reachable(upgrade_from: tuple[str, ...], last: Tagged | None) -> tuple[str, ...]:
    """Whoever runs the last release can come to this one.

    Raises:
        Refused: they cannot (code `upgrade.unreachable`).
    """
    if last is not None and not permits(upgrade_from, last.version):
        raise Refused(
            f"nobody who runs {last.version} could come to it: upgrade_from is"
            f" {', '.join(upgrade_from)}",
            code="upgrade.unreachable",
            advice="correct --upgrade-from; if it is meant so: --force-upgrade-from",
        )
    return upgrade_from


def known_versions(wanted: Sequence[str], releases: Releases) -> tuple[str, ...]:
    """Versions that still work on the new schema: there must be such releases.

    Raises:
        Refused: one is in no tag (code `version.unknown`).
    """
    versions = [parse_version(one.removeprefix("v")) for one in wanted]
    for version in versions:
        if releases.of(version) is None:
            raise Refused(f"there is no release {version}", code="version.unknown")
    return tuple(str(version) for version in versions)


def commit_of(clone: Clone, last: Tagged | None) -> str | None:
    """The commit of the last release, which must be here to compare with.

    Raises:
        NeedsOperator: it is not (code `git.no_commit`).
    """
    if last is None:
        return None
    try:
        return clone.tagged_commit(last.ref.name)
    except NeedsOperator as error:
        raise NeedsOperator(
            f"this clone lacks the commit of {last.ref.name}", code=error.code, advice=error.advice
        ) from error
