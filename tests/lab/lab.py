"""The whole lab: engine, registry, origin, keys, publisher and stack, up and tidied away."""

from __future__ import annotations

import atexit
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from tests.lab import tidy
from tests.lab.ca import Authority
from tests.lab.engine import Engine
from tests.lab.ingress import Ingress
from tests.lab.keys import Keys
from tests.lab.oci import forget_unused_layers
from tests.lab.origin import Origin
from tests.lab.processes import free_port
from tests.lab.recipes import MigrationStyle
from tests.lab.registry import Credentials, Registry
from tests.lab.releases import Publisher, Release
from tests.lab.stack import Stack
from tests.lab.trust import Association

CREDENTIALS = Credentials("koprogo", "hunter2")


class Lab:
    """Everything that a test, the demo or a benchmark needs, inside a `with` block.

    Everything made on the engine carries `name`, and all of it goes at the end: also after an
    exception, Ctrl-C or SIGTERM. What a lab that was killed outright has left behind, the next
    one removes.

    Attributes:
        name: unique; the Compose project's name too.
        root: a folder for anything; goes with the lab.
        engine: the Docker engine in use; `engine.host` is for DOCKER_HOST.
        registry: images live here; `registry.front` can be told to fail.
        origin: the git server; `origin.front` can be told to fail.
        keys: signing keys, trusted and not.
        association: publishes trust roots and freshness.
        publisher: makes releases.
        stack: the one instance on this machine.
    """

    root: Path
    engine: Engine
    authority: Authority
    registry: Registry
    origin: Origin
    keys: Keys
    association: Association
    publisher: Publisher
    stack: Stack

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        credentials: Credentials | None = None,
        settings: Mapping[str, str] | None = None,
        style: MigrationStyle = MigrationStyle.START,
        ingress: Ingress = Ingress.TRAEFIK,
        project: str = "",
        shared: bool = False,
    ) -> None:
        """Say what it is to be like.

        Args:
            engine: one that is up already and is left alone; else one is found or started.
            credentials: makes the registry private, with TLS and this user and password.
            settings: more variables for the stack's env file.
            style: who runs the stack's migrations.
            ingress: the proxy in front of the stack.
            project: what Compose calls the stack if it is started without `-p`; the engine must
                be the lab's own.
            shared: whether more than one stack is to run on the engine.
        """
        self.name = tidy.new_name()
        self._given = engine
        self._credentials = credentials
        self._settings = settings or {}
        self._style = style
        self._ingress = ingress
        self._project = project
        self._shared = shared
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        """Bring everything up; the stack itself waits for a release."""
        with ExitStack() as exits:
            exits.enter_context(_ended_by_sigterm())
            self.root = tidy.ROOTS / self.name
            self.root.mkdir(mode=0o755)
            exits.callback(shutil.rmtree, self.root, ignore_errors=True)
            self._start_servers(exits)
            self.engine = self._given or exits.enter_context(Engine())
            tidy.after_the_dead(self.engine)
            forget_unused_layers()
            exits.callback(tidy.after, self.name, self.registry.address, self.engine)
            if self._project:
                exits.callback(tidy.after, self._project, self.registry.address, self.engine)
            self.keys = Keys.create(self.root / "k")
            exits.callback(self.keys.close)
            self.association = Association.found(self.origin.repository, self.keys)
            self.publisher = Publisher(
                self.origin.repository, self.registry, self.keys.ssh, self._style, self._ingress
            )
            if self.engine.owned and self._credentials is None:
                tidy.keep_layers(self.engine, self.registry.address, self.publisher.fixed)
            self.stack = self._new_stack()
            self._exits = exits.pop_all()
        atexit.register(self._exits.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove all that was made; a second Ctrl-C does not cut this short."""
        with _undisturbed():
            self._exits.close()
        atexit.unregister(self._exits.close)

    @property
    def docker_config(self) -> Path:
        """For DOCKER_CONFIG: knows the registry's password if it has one."""
        return self.stack.docker_config

    def export(self, release: Release, directory: Path) -> Path:
        """Write a release's whole tree into a directory, as an operator's `git clone` would."""
        for path, data in release.draft.tree_files.items():
            file = directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return directory

    def neighbour(self, name: str) -> Lab:
        """The same lab as another self-hoster sees it, with a folder and a stack of their own.

        It goes with this one, and must not be entered itself.
        """
        other = copy(self)
        other.name = f"{self.name}-{name}"
        other.root = self.root / name
        other.root.mkdir(mode=0o755)
        other.stack = other._new_stack()  # noqa: SLF001 - of this very class
        return other

    def install(self, release: Release) -> Path:
        """Bring the stack up by hand, without an agent; gives the tree that it runs from."""
        tree = self.export(release, self.stack.tree)
        self.stack.write_env(release.version)
        if self._style is MigrationStyle.COMMAND:
            self.stack.compose(tree, "run", "--rm", "backend", "migrate")
        self.stack.up(tree)
        return tree

    def _start_servers(self, exits: ExitStack) -> None:
        self.authority = Authority.create(self.root / "ca", "lab")
        stranger = Authority.create(self.root / "ca", "stranger")
        tls = (self.authority.server(), stranger.server()) if self._credentials else None
        self.registry = exits.enter_context(
            Registry(self.root / "registry", tls=tls, credentials=self._credentials)
        )
        self.origin = exits.enter_context(Origin(self.root / "origin", self.authority, stranger))

    def _new_stack(self) -> Stack:
        config = self.root / "docker"
        config.mkdir()
        if self._credentials:
            self._credentials.write_docker_config(config, self.registry.address)
        return Stack(
            name=self.name,
            docker_host=self.engine.host,
            docker_config=config,
            directory=self.root / "stack",
            registry=self.registry.address,
            http_port=free_port(),
            settings=self._settings,
            ingress=self._ingress,
            chosen_project=self._project,
            shared=self._shared,
        )


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does; only the main thread can arrange that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for a while."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
