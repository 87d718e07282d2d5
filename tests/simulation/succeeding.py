"""A machine on which versions of the agent succeed each other: real files, a fake source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from koprogo_agent.adapters.versions import InstalledVersions
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import StepFailed
from koprogo_agent.selfupdate.own import PRODUCT, own_world
from koprogo_agent.selfupdate.package import LOCK, Packages
from koprogo_agent.selfupdate.succession import SelfUpdate
from koprogo_agent.update.store import Store
from tests.simulation.faults import Killed
from tests.simulation.images import Program, Registry
from tests.simulation.instance import Instance
from tests.simulation.origin import KEY, Origin
from tests.simulation.releases import Publisher
from tests.simulation.trust import Association, SimAnchor, freshness, root

REPOSITORY = "registry.example/koprogo-agent"
FIRST = "0.1.0"
LOCKED = b"a-library==1.0 --hash=sha256:00\n"
_ASSEMBLE = """#!/bin/sh
mkdir -p "$2/bin" && cp "$2/program" "$2/bin/koprogo-agent" && chmod 755 "$2/bin/koprogo-agent"
"""


@dataclass
class SimContents:
    """`ports.ImageContents`: what each image holds below /dist, by its reference."""

    held: dict[str, Mapping[str, bytes]] = field(default_factory=dict)

    def unpack(self, reference: str, folder: str, target: Path) -> None:
        """Copies it."""
        if folder != "/dist":
            raise StepFailed(f"it has no {folder}", code="image.contents")
        for name, content in self.held[reference].items():
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).write_bytes(content)


class Succession:
    """The agent's home, its association, and whichever version is started."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.home = instance.folder / "home"
        (self.home / "versions" / FIRST).mkdir(parents=True)
        (self.home / "current").symlink_to(f"versions/{FIRST}")
        self.assemble = self.home / "assemble"
        self.assemble.write_text(_ASSEMBLE)
        self.assemble.chmod(0o755)
        self.contents = SimContents()
        self.origin = Origin()
        self.association = Association(self.origin)
        self.association.publish(
            {"root/1.json": root(product=PRODUCT), "freshness.json": freshness(product=PRODUCT)}
        )
        self.publisher = Publisher(self.origin, Registry())

    def publish(
        self, version: str, tries: str = "exit 0", lock: bytes = LOCKED, key: str = KEY
    ) -> TagRef:
        """Publishes a version; `tries` is what it does when it is tried out."""
        registry, program = self.instance.scene.registry, Program("agent", version)
        registry.publish(REPOSITORY, version, program)
        reference = f"{REPOSITORY}@{program.digest}"
        self.contents.held[reference] = {LOCK: lock, "program": f"#!/bin/sh\n{tries}\n".encode()}
        manifest = {
            "product": PRODUCT,
            "images": {"agent": {"repository": REPOSITORY, "digest": program.digest}},
            "files": {LOCK: hashlib.sha256(LOCKED).hexdigest()},
            "upgrade_from": [],
        }
        return self.publisher.publish(version, manifest=manifest, key=key)

    @property
    def current(self) -> str:
        """The version that is started next."""
        return (self.home / "current").readlink().name

    @property
    def versions(self) -> set[str]:
        """The versions that are there."""
        return {one.name for one in (self.home / "versions").iterdir()}

    def start(self) -> SelfUpdate:
        """The process of the version that is to be started."""
        instance = self.instance
        instance.restart()
        anchor = SimAnchor(root(product=PRODUCT))
        world = own_world(instance.engine.world, self.origin, anchor)
        versions = InstalledVersions(self.home, self.current, self.assemble)
        started = SelfUpdate(
            world=world,
            versions=versions,
            packages=Packages(world, versions, self.contents, instance.journal, instance.watcher),
            settings=instance.settings,
            running=parse_version(self.current),
            instance="one",
            main=instance.journal,
        )
        started.begin()
        return started

    def rescue(self, *, puts_aside: bool = True) -> None:
        """What `systemd/rescue` does at the end of a trial."""
        new, old = (self.home / "trial").read_text().split()
        if puts_aside:
            with (self.home / "quarantined").open("a") as file:
                file.write(f"{new}\n")
        InstalledVersions(self.home, new).step_back(old)

    def events(self) -> list[str]:
        """What is in the journal of KoproGo's updates, oldest first."""
        return [one.name for one in reversed(self.instance.journal.events(50))]


@dataclass
class PowerCut:
    """A cut after so many durable changes.

    Attributes:
        came: whether it came to that.
    """

    after: int
    came: bool = False
    _happened: int = 0

    def change(self) -> None:
        """One is about to be made."""
        if self._happened == self.after:
            self.came = True
            raise Killed
        self._happened += 1


@contextmanager
def power_cut(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[PowerCut]:
    """The power fails after so many durable changes within this block."""
    cut, transaction = PowerCut(after), Store.transaction

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*words: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is called
            cut.change()
            return original(*words, **more)

        return counted

    @contextmanager
    def writing(store: Store) -> Iterator[Connection]:
        cut.change()
        with transaction(store) as connection:
            yield connection

    with monkeypatch.context() as patched:
        for name in ("rename", "unlink", "symlink", "mkdir", "rmdir"):
            patched.setattr(os, name, counting(getattr(os, name)))
        patched.setattr(Store, "transaction", writing)
        yield cut
