"""A release as it runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from koprogo_agent.domain.versions import Version, parse_version

UNKNOWN = "adopted"
"""Name of a deployment whose release is not known."""


@dataclass(frozen=True)
class ServicePin:
    """How a service of a deployment runs.

    Attributes:
        image: the image reference that its container is created with.
        release: value of the agent's label on it; None where the agent did not make the container.
        healthcheck: keys of its health check that differ from the compose files.
        digest: the same image by digest, where `image` is a tag under which an adopted container
            was made: it may lead to another one later. Empty otherwise.
    """

    image: str
    release: str | None
    healthcheck: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def reference(self) -> str:
        """A reference that leads to this image and no other."""
        return self.digest or self.image


@dataclass(frozen=True)
class Deployment:
    """What is, was, or is about to be applied to this machine.

    Attributes:
        tag: name of the release, under which its files are kept.
        fingerprint: names the release in the quarantine.
        oid: object id of the signed tag, or an empty string for an adopted stack.
        commit: id of the commit, or an empty string for an adopted stack.
        counter: the manifest's counter, or 0 without a manifest.
        image_tag: value of the variable that selects images in the compose files.
        files: path -> SHA-256 of the files that are laid in the stack's folder.
        compose_files: which of them are given to compose, in order.
        pins: service -> how it runs.
        migrations: object id of the folder of migrations, or None when it is not known.
        works_with: older versions that still work on this release's schema.
        era: the set of release keys under which the counter counts (`Role.era`).
    """

    tag: str
    fingerprint: str
    oid: str
    commit: str
    counter: int
    image_tag: str
    files: Mapping[str, str]
    compose_files: tuple[str, ...]
    pins: Mapping[str, ServicePin]
    migrations: str | None
    works_with: tuple[str, ...] = ()
    era: str = ""

    @property
    def version(self) -> Version | None:
        """The version, or None for an adopted stack whose release is not known."""
        return parse_version(self.tag[1:]) if self.oid else None


@dataclass(frozen=True)
class Floor:
    """The lowest release that may ever be installed here.

    Attributes:
        counter: the lowest counter, among releases of the same era.
        era: the set of release keys under which it was reached (`Role.era`).
    """

    version: str
    counter: int
    era: str = ""

    def raised(self, version: Version, counter: int, era: str) -> Floor:
        """The floor after a release was committed: it rises with newer releases, and never falls.

        Going back to an older release leaves it as it is, and so does repairing what runs.
        """
        if version.compare(self.version) <= 0:
            return self
        reached = max(counter, self.counter) if era == self.era else counter
        return Floor(str(version), reached, era)

    def counter_in(self, era: str) -> int:
        """The lowest counter that a release of an era may have; 0 for any."""
        return self.counter if era == self.era else 0


def changes_schema(before: Deployment | None, after: Deployment) -> bool:
    """Whether two deployments may have different database schemas; not knowing means yes."""
    if before is None or before.migrations is None or after.migrations is None:
        return True
    return before.migrations != after.migrations


def unchanged_services(before: Deployment | None, after: Deployment) -> frozenset[str]:
    """The services that run in the same way in both: none of them is exchanged."""
    if before is None:
        return frozenset()
    return frozenset(name for name, pin in after.pins.items() if before.pins.get(name) == pin)


def old_works_on(before: Deployment | None, after: Deployment) -> bool:
    """Whether the release declares that the deployment before it still works on its schema."""
    version = before.version if before is not None else None
    return version is not None and str(version) in after.works_with


def can_go_back(before: Deployment, after: Deployment) -> bool:
    """Whether the one before can run on the data of the one after it."""
    return not changes_schema(before, after) or old_works_on(before, after)
