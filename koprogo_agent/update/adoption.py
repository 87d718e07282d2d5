"""Adoption: what runs already becomes the installed deployment, and nothing is restarted.

Also the way in which a lost journal is made anew: the label on the containers names the release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dotenv import dotenv_values

from koprogo_agent.domain.deployment import UNKNOWN, Deployment, ServicePin
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.overlay import RELEASE_LABEL, mounted_paths, repository, services
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.settings import Settings
from koprogo_agent.update.job import project
from koprogo_agent.update.releases import Offer, Releases
from koprogo_agent.update.world import World


@dataclass(frozen=True)
class Adoption:
    """Finds out what runs."""

    world: World
    settings: Settings
    releases: Releases

    def find(self, offers: Sequence[Offer]) -> Deployment | None:
        """What runs, its files staged so that it can be gone back to; None when nothing runs.

        Raises:
            NeedsOperator: containers run, but their compose files are not where they should be.
        """
        containers = self.world.stack.containers(self.settings.stack.project)
        if not containers:
            return None
        release = self._release(containers, offers)
        image_tag = self._image_tag(release)
        files, asked = self._files(image_tag)
        tag = release.tag if release else UNKNOWN
        self.world.files.stage(tag, files)
        manifest = release.manifest if release else None
        path = manifest.migrations.path if manifest else self.settings.migration.path
        return Deployment(
            tag=tag,
            fingerprint=release.fingerprint if release else "",
            oid=release.oid if release else "",
            commit=release.commit if release else "",
            counter=manifest.counter if manifest else 0,
            image_tag=image_tag,
            files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            compose_files=self.settings.stack.compose_files,
            pins={one.service: self._pin(one) for one in containers if one.service in asked},
            migrations=self.world.source.tree_id(release.commit, path) if release else None,
            works_with=manifest.migrations.works_with if manifest else (),
            era=release.era if release else "",
        )

    def _release(
        self, containers: Iterable[Container], offers: Sequence[Offer]
    ) -> VerifiedRelease | None:
        """The trusted release that runs: by label, by the operator's tag, or by digests."""
        named = {one.labels.get(RELEASE_LABEL, "") for one in containers}
        named |= {self._operator_tag(), f"v{self._operator_tag()}"}
        for offer in offers:
            if offer.ref.name in named:
                return self._verified(offer)
        running = self._digests(containers)
        repositories = {repository(one) for one in running}
        for release in self.releases.trusted(offers, None):
            manifest = release.manifest
            if manifest is None:
                continue
            used = {image.reference for image in manifest.images.values()}
            used = {reference for reference in used if repository(reference) in repositories}
            if used and used <= running:
                return release
        return None

    def _verified(self, offer: Offer) -> VerifiedRelease | None:
        try:
            return self.releases.verify(offer.ref, None)
        except Refused:
            return None  # it runs, but that does not make it trusted: it is adopted as unknown

    def _digests(self, containers: Iterable[Container]) -> set[str]:
        found = (self.world.images.find(one.image_id) for one in containers)
        return {digest for image in found if image for digest in image.digests}

    def _pin(self, container: Container) -> ServicePin:
        """A tag may lead elsewhere by the time that the image is gone back to."""
        image = self.world.images.find(container.image_id)
        mine = repository(container.image)
        known = image.digests if image and "@" not in container.image else ()
        digest = next((one for one in known if repository(one) == mine), "")
        return ServicePin(container.image, container.labels.get(RELEASE_LABEL), digest=digest)

    def _operator_tag(self) -> str:
        variable = self.settings.stack.image_tag_variable
        for path in reversed(self.settings.stack.env_files):
            value = dotenv_values(path, interpolate=False).get(variable)
            if value:
                return value
        return ""

    def _image_tag(self, release: VerifiedRelease | None) -> str:
        if self._operator_tag() or release is None:
            return self._operator_tag()
        form = self.settings.stack.image_tag
        return form.format(tag=release.tag, version=parse_tag(release.tag))

    def _files(self, image_tag: str) -> tuple[dict[str, bytes], frozenset[str]]:
        """Return the stack's files as they are now, and the services that they define.

        Other containers of the project were started from files of the operator's own.
        """
        files = dict(self._read(self.settings.stack.compose_files))
        missing = [path for path in self.settings.stack.compose_files if path not in files]
        if missing:
            raise NeedsOperator(
                f"the stack {self.settings.stack.project} runs, but"
                f" {self.settings.stack.directory} has no {missing[0]}",
                code="adopt.files",
                advice="set stack.directory to the folder that the stack was started from, and"
                " stack.compose_files to its compose files",
            )
        paths = [self.world.files.stack_path(p) for p in self.settings.stack.compose_files]
        model = self.world.stack.render(project(self.settings, paths, image_tag))
        root = str(self.settings.stack.directory)
        mounts = {p for one in services(model).values() for p in mounted_paths(one, model, root)}
        return files | dict(self._read(sorted(mounts))), frozenset(services(model))

    def _read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            content = self.world.files.read_stack_file(path)
            if content is not None:
                yield path, content
