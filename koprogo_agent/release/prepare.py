"""Prepares a release: checks the tree, asks the registry, makes the draft."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from koprogo_agent.domain.image_tags import ImageTag
from koprogo_agent.domain.versions import Version
from koprogo_agent.release import demands, never_ran
from koprogo_agent.release.changes import Changes, Difference, changes
from koprogo_agent.release.checks import Checks, Outcome, Watcher
from koprogo_agent.release.deployed import Deployed, read_deployed, read_files
from koprogo_agent.release.draft import Draft, tidy_notes
from koprogo_agent.release.images import Resolved, resolve
from koprogo_agent.release.manifest import Found, Wish, write_manifest
from koprogo_agent.release.migrations import read_added
from koprogo_agent.release.product import Product
from koprogo_agent.release.releases import Releases, Tagged
from koprogo_agent.release.trust import TrustState


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


class _Preparation:
    """One release on its way to a draft.

    Its base is the newest release that instances may have run: the last one, but for those that
    are left behind.
    """

    def __init__(
        self, product: Product, wish: Wish, now: datetime, trust: TrustState, checks: Checks
    ) -> None:
        self._product = product
        self._wish = wish
        self._now = now
        self._trust = trust
        self._checks = checks
        self._releases: Releases = product.releases(trust.root, now)
        self._base: Tagged | None = self._releases.last

    def run(self) -> Prepared:
        found = self._look()
        self._checks.require_all(f"v{self._wish.version.removeprefix('v')}")
        draft = self._draft(write_manifest(self._product.settings, self._wish, found, self._now))
        before = self._base.claimed if self._base else None
        return Prepared(draft, changes(before, draft.manifest), found.migrations.value)

    def _look(self) -> Found:
        wish, releases, make = self._wish, self._releases, self._checks.make
        version = make(
            "version", lambda: demands.new_version(wish.version, releases), self._after_last
        )
        commit = make(
            "commit", lambda: demands.released_commit(self._product.clone, wish.commit), str
        )
        self._check_version_file(version, commit)
        self._check_trust()
        deployed, images = self._look_at_parts(version, commit)
        left = self._check_never_ran()
        return Found(
            version=version,
            commit=commit,
            deployed=deployed,
            images=images,
            migrations=self._check_migrations(commit, left),
            upgrade_from=self._check_upgrades(),
            works_with=make(
                "works with",
                lambda: demands.known_versions(wish.works_with, releases),
                lambda found: ", ".join(found) or "no older version, if the schema changes",
            ),
            counter=make("counter", lambda: releases.next_counter(self._trust.freshness), str),
            never_ran=left,
        )

    def _look_at_parts(
        self, version: Outcome[Version], commit: Outcome[str]
    ) -> tuple[Outcome[Deployed], dict[str, Outcome[Resolved]]]:
        """The files and the images; without a stack, no service has to run them."""
        settings = self._product.settings
        if settings.compose_files:
            deployed = self._check_stack(version, commit)
        else:
            deployed = self._check_files(commit)
        images = {
            name: self._check_image(name, where, version, deployed)
            for name, where in settings.images.items()
        }
        if settings.compose_files:
            self._check_use(images.values(), deployed)
            self._name_unpinned(deployed)
        return deployed, images

    def _check_version_file(self, version: Outcome[Version], commit: Outcome[str]) -> None:
        clone, path = self._product.clone, self._product.settings.version_file
        if path is not None:
            self._checks.make(
                "version file",
                lambda: demands.told_version(clone, commit.value, path, version.value),
                lambda found: f"{path} says {found}",
                needs=(version, commit),
            )

    def _check_trust(self) -> None:
        product, root = self._product.settings.product, self._trust.root
        self._checks.make(
            "trust root",
            lambda: demands.root_in_force(root, product, self._now),
            lambda found: f"{found.version}, until {found.expires:%Y-%m-%d}",
        )

    def _check_stack(self, version: Outcome[Version], commit: Outcome[str]) -> Outcome[Deployed]:
        settings = self._product.settings
        return self._checks.make(
            "compose files",
            lambda: read_deployed(
                self._product.clone, commit.value, settings, self._tag(version).text
            ),
            lambda found: f"valid; {len(found.hashes)} files are deployed",
            needs=(version, commit),
        )

    def _check_files(self, commit: Outcome[str]) -> Outcome[Deployed]:
        return self._checks.make(
            "files",
            lambda: read_files(self._product.clone, commit.value, self._product.settings.files),
            lambda found: f"{len(found.hashes)} are deployed",
            needs=(commit,),
        )

    def _check_image(
        self, name: str, repository: str, version: Outcome[Version], deployed: Outcome[Deployed]
    ) -> Outcome[Resolved]:
        return self._checks.make(
            f"image {name}",
            lambda: resolve(repository, deployed.value.tag_of(repository), self._tag(version)),
            lambda found: f"{found.image.digest[:19]}… for {', '.join(found.platforms)}",
            needs=(version, deployed),
        )

    def _name_unpinned(self, deployed: Outcome[Deployed]) -> None:
        if deployed.holds:
            for one in demands.unpinned(deployed.value, self._product.settings.images):
                self._checks.note("not pinned", one.said, one.advice)

    def _check_use(
        self, images: Collection[Outcome[Resolved]], deployed: Outcome[Deployed]
    ) -> None:
        self._checks.make(
            "image use",
            lambda: demands.used_images([one.value for one in images], deployed.value),
            lambda found: f"services run all {len(found)}",
            needs=(deployed, *images),
        )

    def _check_never_ran(self) -> Outcome[Mapping[Version, str]]:
        wish = self._wish
        if not wish.never_ran:
            return Outcome({})
        found = self._checks.make(
            "never ran",
            lambda: never_ran.require_yanked(
                wish.never_ran, wish.reason, self._releases, self._trust.freshness
            ),
            lambda found: f"{', '.join(f'v{one}' for one in found)}; yanked",
        )
        if found.holds:
            self._base = never_ran.base_of(self._releases, found.value)
        return found

    def _check_migrations(
        self, commit: Outcome[str], left: Outcome[Mapping[Version, str]]
    ) -> Outcome[Difference]:
        clone, folder, base = self._product.clone, self._product.settings.migrations, self._base
        since = f" since {base.ref.name}" if base else ""
        hint = never_ran.hint(base, self._trust.freshness)
        return self._checks.make(
            "migrations",
            lambda: read_added(clone, demands.commit_of(clone, base), commit.value, folder, hint),
            lambda found: (
                f"none in {folder}"
                if found.is_none
                else f"{len(found.added)} added{since}, {found.same} as they were"
            ),
            needs=(commit, left),
        )

    def _check_upgrades(self) -> Outcome[tuple[str, ...]]:
        wish, base = self._wish, self._base

        def look() -> tuple[str, ...]:
            found = demands.comparators(wish.upgrade_from, self._releases.last)
            return found if wish.strands else demands.reachable(found, base)

        return self._checks.make(
            "upgrade from", look, lambda found: ", ".join(found) or "any version"
        )

    def _after_last(self, version: Version) -> str:
        last = self._releases.last
        return f"{version}, after {last.version}" if last else f"{version}, the first"

    def _tag(self, version: Outcome[Version]) -> ImageTag:
        return ImageTag(self._product.settings.image_tag, version.value)

    def _draft(self, document: dict[str, Any]) -> Draft:
        base = self._base
        draft = Draft(
            document=document,
            notes=tidy_notes(self._wish.notes),
            tagger=f"{self._product.clone.identity()} {int(self._now.timestamp())} +0000",
            root=self._trust.root,
            since=base.raw.decode() if base and base.claimed else "",
        )
        draft.require_readable()
        return draft
