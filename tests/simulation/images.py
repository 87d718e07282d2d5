"""Programs, the images that hold them, a registry, and the images of the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from koprogo_agent.domain.overlay import repository
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import LocalImage, PullProgress

SIZE = 50_000_000


@dataclass(frozen=True)
class Program:
    """What is inside an image, and how it behaves.

    Attributes:
        kind: backend, postgres, server (stays up) or shot (ends by itself).
        version: of the release; empty for what releases do not change.
        migrations: that it embeds.
        start_seconds: until it is ready.
        migration_seconds: that each migration takes.
        migrates_at_start: whether its start runs the migrations that the database lacks.
        tolerant: whether it works on a database that holds migrations it does not embed.
        exits: where it exits with an error: at start, after its migrations, in production, or (a
            server) beside production.
        migration: what its newest migration does: runs, fails, hangs, or the name of a setting of
            the database with which it fails.
        dies_after: seconds after which it exits, once ready; 0 never.
        major: of PostgreSQL.
        extensions: that a PostgreSQL can install.
    """

    kind: str
    version: str = ""
    migrations: tuple[int, ...] = ()
    start_seconds: float = 1.0
    migration_seconds: float = 0.0
    migrates_at_start: bool = True
    tolerant: bool = False
    exits: str = ""
    migration: str = "runs"
    dies_after: float = 0.0
    major: int = 15
    extensions: tuple[str, ...] = ("plpgsql",)

    @cached_property
    def image_id(self) -> str:
        """The engine's id of the image."""
        return "sha256:" + hashlib.sha256(f"image {self!r}".encode()).hexdigest()

    @cached_property
    def digest(self) -> str:
        """The digest of its index in a registry."""
        return "sha256:" + hashlib.sha256(f"index {self!r}".encode()).hexdigest()


@dataclass
class Registry:
    """Where images are published.

    Attributes:
        published: reference (by tag and by digest) -> program.
        failure: raised instead of an answer, while set.
    """

    published: dict[str, Program] = field(default_factory=dict)
    failure: RetryLater | None = None

    def publish(self, name: str, tag: str, program: Program) -> None:
        """Publishes an image by tag and by digest."""
        self.published[f"{name}:{tag}"] = program
        self.published[f"{name}@{program.digest}"] = program

    def withdraw(self, program: Program) -> dict[str, Program]:
        """Takes an image away; returns what to `update` the registry with to bring it back."""
        gone = {name: one for name, one in self.published.items() if one == program}
        for name in gone:
            del self.published[name]
        return gone


class InUse(Protocol):
    """Tells which images containers use."""

    def uses(self, image_id: str) -> bool:
        """Whether a container is made from an image."""


class SimImages:
    """The images port."""

    def __init__(self, registry: Registry, root: Path, containers: InUse) -> None:
        self.registry = registry
        self.names: dict[str, Program] = {}
        self._root = root
        self._containers = containers

    def find(self, reference: str) -> LocalImage | None:
        """The local image by tag, digest or id."""
        program = self.program(reference)
        if program is None:
            return None
        named = (name for name, one in self.names.items() if one == program)
        digests = tuple(sorted(name for name in named if "@" in name))
        return LocalImage(program.image_id, digests, SIZE)

    def program(self, reference: str) -> Program | None:
        """What is inside a local image."""
        by_id = {one.image_id: one for one in self.names.values()}
        return self.names.get(reference) or by_id.get(reference)

    def pull(self, reference: str, progress: Callable[[PullProgress], None]) -> LocalImage:
        """Brings an image here."""
        if self.registry.failure is not None:
            raise self.registry.failure
        program = self.registry.published.get(reference)
        if program is None:
            raise RetryLater(f"{reference} is not published", code="registry.image_missing")
        progress(PullProgress(reference, SIZE, SIZE))
        self.names[reference] = program
        self.names[f"{repository(reference)}@{program.digest}"] = program
        found = self.find(reference)
        assert found is not None
        return found

    def published(self, reference: str) -> bool:
        """Whether the registry has it."""
        if self.registry.failure is not None:
            raise self.registry.failure
        return reference in self.registry.published

    def root(self) -> Path:
        """Where images are kept."""
        return self._root

    def remove(self, reference: str) -> None:
        """Removes an image that no container uses, with all its names in the repository."""
        program = self.names.get(reference)
        if program is None or self._containers.uses(program.image_id):
            return
        here = repository(reference)
        for name in [n for n, one in self.names.items() if one == program]:
            if repository(name) == here:
                del self.names[name]
