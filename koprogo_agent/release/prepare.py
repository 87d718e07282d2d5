"""Prepares a release: checks the tree, asks the registry, writes the manifest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from koprogo_agent.domain.canonical import instant
from koprogo_agent.domain.manifest import FORMAT
from koprogo_agent.domain.versions import Version, tag_name
from koprogo_agent.release import demands
from koprogo_agent.release.changes import Changes, Difference, changes
from koprogo_agent.release.checks import Checks, Outcome, Watcher
from koprogo_agent.release.deployed import Deployed, read_deployed
from koprogo_agent.release.draft import Draft, tidy_notes
from koprogo_agent.release.images import Resolved, resolve
from koprogo_agent.release.migrations import read_added
from koprogo_agent.release.product import Product
from koprogo_agent.release.releases import Releases, Tagged
from koprogo_agent.release.trust import TrustState


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
    """

    version: str
    notes: str = ""
    severity: str = "routine"
    commit: str | None = None
    upgrade_from: Sequence[str] | None = None
    works_with: Sequence[str] = ()
    strands: bool = False


@dataclass(frozen=True)
class Prepared:
    """A draft, and what is new in it."""

    draft: Draft
    changes: Changes
    migrations: Difference


def prepare(product: Product, wish: Wish, now: datetime, watcher: Watcher) -> Prepared:
    """Makes every check, and the draft if all of them hold.

    Raises:
        Refused, RetryLater: checks do not hold (codes `prepare.refused`, `prepare.later`).
        NeedsOperator: there is no trust root yet.
    """
    trust = product.trust(now)
    return _Preparation(product, wish, now, trust, Checks(watcher)).run()


@dataclass(frozen=True)
class _Found:
    """What the checks found, each by its name in the manifest."""

    version: Outcome[Version]
    commit: Outcome[str]
    deployed: Outcome[Deployed]
    images: Mapping[str, Outcome[Resolved]]
    migrations: Outcome[Difference]
    upgrade_from: Outcome[tuple[str, ...]]
    works_with: Outcome[tuple[str, ...]]
    counter: Outcome[int]


class _Preparation:
    """One release on its way to a draft."""

    def __init__(
        self, product: Product, wish: Wish, now: datetime, trust: TrustState, checks: Checks
    ) -> None:
        self._product = product
        self._wish = wish
        self._now = now
        self._trust = trust
        self._checks = checks
        self._releases: Releases = product.releases(trust.root, now)

    @property
    def _last(self) -> Tagged | None:
        return self._releases.last

    def run(self) -> Prepared:
        found = self._look()
        self._checks.require_all(f"v{self._wish.version.removeprefix('v')}")
        draft = self._draft(self._manifest(found))
        before = self._last.claimed if self._last else None
        return Prepared(draft, changes(before, draft.manifest), found.migrations.value)

    def _look(self) -> _Found:
        wish, releases, make = self._wish, self._releases, self._checks.make
        version = make(
            "version", lambda: demands.new_version(wish.version, releases), self._after_last
        )
        commit = make(
            "commit", lambda: demands.released_commit(self._product.clone, wish.commit), str
        )
        self._check_trust()
        deployed = self._check_files(version, commit)
        pinned = self._product.settings.images.items()
        images = {name: self._check_image(name, where, version) for name, where in pinned}
        self._check_use(images.values(), deployed)
        return _Found(
            version=version,
            commit=commit,
            deployed=deployed,
            images=images,
            migrations=self._check_migrations(commit),
            upgrade_from=self._check_upgrades(),
            works_with=make(
                "works with",
                lambda: demands.known_versions(wish.works_with, releases),
                lambda found: ", ".join(found) or "no older version, if the schema changes",
            ),
            counter=make("counter", lambda: releases.next_counter(self._trust.freshness), str),
        )

    def _check_trust(self) -> None:
        product, root = self._product.settings.product, self._trust.root
        self._checks.make(
            "trust root",
            lambda: demands.root_in_force(root, product, self._now),
            lambda found: f"{found.version}, until {found.expires:%Y-%m-%d}",
        )

    def _check_files(self, version: Outcome[Version], commit: Outcome[str]) -> Outcome[Deployed]:
        settings = self._product.settings
        return self._checks.make(
            "compose files",
            lambda: read_deployed(
                self._product.clone, commit.value, settings, self._image_tag(version.value)
            ),
            lambda found: f"valid; {len(found.hashes)} files are deployed",
            needs=(version, commit),
        )

    def _check_image(
        self, name: str, repository: str, version: Outcome[Version]
    ) -> Outcome[Resolved]:
        return self._checks.make(
            f"image {name}",
            lambda: resolve(repository, self._image_tag(version.value)),
            lambda found: f"{found.image.digest[:19]}… for {', '.join(found.platforms)}",
            needs=(version,),
        )

    def _check_use(
        self, images: Collection[Outcome[Resolved]], deployed: Outcome[Deployed]
    ) -> None:
        self._checks.make(
            "image use",
            lambda: demands.used_images([one.value for one in images], deployed.value),
            lambda found: f"services run all {len(found)}",
            needs=(deployed, *images),
        )

    def _check_migrations(self, commit: Outcome[str]) -> Outcome[Difference]:
        clone, folder = self._product.clone, self._product.settings.migrations
        since = f" since {self._last.ref.name}" if self._last else ""
        return self._checks.make(
            "migrations",
            lambda: read_added(clone, demands.commit_of(clone, self._last), commit.value, folder),
            lambda found: f"{len(found.added)} added{since}, {found.same} as they were",
            needs=(commit,),
        )

    def _check_upgrades(self) -> Outcome[tuple[str, ...]]:
        wish, last = self._wish, self._last

        def look() -> tuple[str, ...]:
            found = demands.comparators(wish.upgrade_from, last)
            return found if wish.strands else demands.reachable(found, last)

        return self._checks.make(
            "upgrade from", look, lambda found: ", ".join(found) or "any version"
        )

    def _after_last(self, version: Version) -> str:
        return f"{version}, after {self._last.version}" if self._last else f"{version}, the first"

    def _image_tag(self, version: Version) -> str:
        form = self._product.settings.image_tag
        return form.format(tag=tag_name(version), version=version)

    def _manifest(self, found: _Found) -> dict[str, Any]:
        settings = self._product.settings
        return {
            "format": FORMAT,
            "product": settings.product,
            "channel": settings.channel,
            "version": str(found.version.value),
            "counter": found.counter.value,
            "commit": found.commit.value,
            "images": {
                name: {
                    "repository": one.value.image.repository,
                    "digest": one.value.image.digest,
                }
                for name, one in found.images.items()
            },
            "files": dict(found.deployed.value.hashes),
            "migrations": {
                "path": settings.migrations,
                "works_with": list(found.works_with.value),
            },
            "upgrade_from": list(found.upgrade_from.value),
            "agent_min": settings.agent_min,
            "severity": self._wish.severity,
            "issued": instant(self._now),
            "expires": instant(self._now + timedelta(days=settings.valid_for)),
        }

    def _draft(self, document: dict[str, Any]) -> Draft:
        last = self._last
        draft = Draft(
            document=document,
            notes=tidy_notes(self._wish.notes),
            tagger=f"{self._product.clone.identity()} {int(self._now.timestamp())} +0000",
            root=self._trust.root,
            since=last.raw.decode() if last and last.claimed else "",
        )
        draft.require_readable()
        return draft
