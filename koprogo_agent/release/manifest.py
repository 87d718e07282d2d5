"""The manifest of a release that is being prepared: from what is wanted and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.manifest import FORMAT
from koprogo_agent.domain.versions import Version
from koprogo_agent.release.changes import Difference
from koprogo_agent.release.checks import Outcome
from koprogo_agent.release.deployed import Deployed
from koprogo_agent.release.images import Resolved
from koprogo_agent.release.settings import ReleaseSettings


@dataclass(frozen=True)
class Wish:
    """What the release manager asks for.

    Attributes:
        version: the version, as it was typed.
        notes: what is new, for people.
        severity: `routine` or `security`.
        commit: what to release; None for what is checked out.
        upgrade_from: comparators; None for those of the last release.
        works_with: older versions that still work on the new schema.
        strands: whether those who run the last release may be left behind.
        never_ran: yanked releases that no instance can have run.
        reason: why none can.
    """

    version: str
    notes: str = ""
    severity: str = "routine"
    commit: str | None = None
    upgrade_from: Sequence[str] | None = None
    works_with: Sequence[str] = ()
    strands: bool = False
    never_ran: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """What the checks found, each by its name in the manifest."""

    version: Outcome[Version]
    commit: Outcome[str]
    deployed: Outcome[Deployed]
    images: Mapping[str, Outcome[Resolved]]
    migrations: Outcome[Difference]
    upgrade_from: Outcome[tuple[str, ...]]
    works_with: Outcome[tuple[str, ...]]
    counter: Outcome[int]
    never_ran: Outcome[Mapping[Version, str]]


def write_manifest(
    settings: ReleaseSettings, wish: Wish, found: Found, now: datetime
) -> dict[str, Any]:
    """The manifest, as JSON; every check must hold."""
    images = {name: one.value.image for name, one in found.images.items()}
    never_ran = {str(version): why for version, why in found.never_ran.value.items()}
    return {
        "format": FORMAT,
        "product": settings.product,
        "channel": settings.channel,
        "version": str(found.version.value),
        "counter": found.counter.value,
        "commit": found.commit.value,
        "images": {
            name: {"repository": image.repository, "digest": image.digest}
            for name, image in images.items()
        },
        "files": dict(found.deployed.value.hashes),
        "migrations": {"path": settings.migrations, "works_with": list(found.works_with.value)},
        "upgrade_from": list(found.upgrade_from.value),
        "agent_min": settings.agent_min,
        "severity": wish.severity,
        "issued": instant(now),
        "expires": instant(now + timedelta(days=settings.valid_for)),
        **({"never_ran": never_ran} if never_ran else {}),
    }
