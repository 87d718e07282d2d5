"""Settings -> adapters -> engine. The only place that builds adapters."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

from koprogo_agent import __version__
from koprogo_agent.adapters.anchor import TrustDirectory
from koprogo_agent.adapters.clock import SystemClock
from koprogo_agent.adapters.compose.stack import ComposeStack
from koprogo_agent.adapters.files import LocalFiles
from koprogo_agent.adapters.git import Git
from koprogo_agent.adapters.images import EngineImageContents, RegistryImages
from koprogo_agent.adapters.lock import agent_lock, awaiting_lock, give_way
from koprogo_agent.adapters.notify import AppriseNotifier
from koprogo_agent.adapters.postgres.database import ContainerPostgres
from koprogo_agent.adapters.probes import HttpProber
from koprogo_agent.adapters.rooms import HaproxyRooms, HoldNote
from koprogo_agent.adapters.signatures import SigningTools
from koprogo_agent.adapters.versions import InstalledVersions, home_of
from koprogo_agent.docker_api import DEFAULT_HOST
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.selfupdate.own import own_settings, own_world
from koprogo_agent.selfupdate.package import Packages
from koprogo_agent.selfupdate.succession import SelfUpdate
from koprogo_agent.settings import Settings
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.status import read_status
from koprogo_agent.update.world import Watcher, World

if TYPE_CHECKING:
    from koprogo_agent.reporting.reporter import Reporter
    from koprogo_agent.reporting.snapshot import Snapshot
    from koprogo_agent.reporting.teller import Teller

JOURNAL = "state.db"
REPORTS = "reports.db"
IDENTITY = "identity"


@dataclass(frozen=True)
class Agent:
    """A built agent.

    Attributes:
        engine: does the work.
        settings: the operator's.
        instance: random name of this instance, made once.
    """

    engine: Engine
    settings: Settings
    instance: str

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by whoever acts: only one agent at a time, so nothing half written is in use.

        Raises:
            RetryLater: another agent acts (code `agent.busy`).
        """
        with agent_lock(self.settings.state.run_directory):
            self.engine.world.files.tidy()
            yield

    @contextmanager
    def lock_unless_awaited(self) -> Iterator[None]:
        """The same for whoever can come back later: people who wait for the lock go first.

        Raises:
            RetryLater: another agent acts, or waits until it may (code `agent.busy`).
        """
        give_way(self.settings.state.run_directory)
        with self.lock():
            yield

    def awaiting_lock(self) -> AbstractContextManager[None]:
        """Held while one waits for the lock."""
        return awaiting_lock(self.settings.state.run_directory)

    def now(self) -> datetime:
        """The wall clock."""
        return self.engine.world.clock.now()

    @property
    def is_at_rest(self) -> bool:
        """Whether no operation is under way that the next tick would go on with."""
        return self.engine.journal.live() is None

    @property
    def goes_on_after(self) -> float | None:
        """Seconds after which what is under way is gone on with; None: nothing is."""
        return self.engine.goes_on_after

    def summary(self) -> str:
        """Where this instance stands, in one line."""
        return read_status(self.engine.journal, self.settings, self.now()).summary

    def with_condition(self, text: str) -> str:
        """A line with what counts more before it: that the stack is down."""
        down = read_status(self.engine.journal, self.settings, self.now()).down
        return f"{down}; {text}" if down else text

    def snapshot(self) -> Snapshot:
        """Where this instance stands, in the words of a report."""
        from koprogo_agent.reporting.snapshot import read_snapshot  # noqa: PLC0415 - see below

        return read_snapshot(self.engine.journal, self.settings, self.now())


def engine_host(settings: Settings) -> str:
    """The address of the Docker engine."""
    return settings.stack.docker_host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def build_world(settings: Settings) -> World:
    """The real outside systems."""
    state, host = settings.state.directory, engine_host(settings)
    rules = settings.network.rules
    about = f"{settings.stack.project} on {gethostname()}"
    return World(
        source=Git(settings.source, state, rules),
        anchor=TrustDirectory(settings.trust.directory),
        signatures=SigningTools(),
        images=RegistryImages(host, rules),
        stack=ComposeStack(host),
        rooms=HaproxyRooms(host, settings.hold.image, HoldNote(state, host)),
        database=ContainerPostgres(host),
        prober=HttpProber(),
        files=LocalFiles(state, settings.stack.directory, settings.backup.directory),
        clock=SystemClock(),
        notifier=AppriseNotifier(settings.notify.urls, about, rules),
    )


@contextmanager
def open_agent(
    settings: Settings, watcher: Watcher, stopping: Callable[[], bool]
) -> Iterator[Agent]:
    """Opens the journal and builds the engine around the real world."""
    world = build_world(settings)
    journal = Journal(settings.state.directory / JOURNAL, world.clock.now())
    try:
        instance = journal.get(str, "instance") or secrets.token_hex(16)
        journal.put("instance", instance)
        yield Agent(Engine(world, settings, journal, watcher, stopping), settings, instance)
    finally:
        journal.close()


def build_self_update(agent: Agent, watcher: Watcher) -> SelfUpdate | None:
    """How an agent keeps itself current; None where it does not run from its home."""
    settings, engine = agent.settings, agent.engine
    home = home_of(settings.agent.home)
    if home is None:
        return None
    own = own_settings(settings)
    source = Git(own.source, own.state.directory, own.network.rules)
    anchor = TrustDirectory(own.trust.directory)
    world = own_world(engine.world, source, anchor)
    versions = InstalledVersions(home, Path(sys.prefix).name)
    contents = EngineImageContents(engine_host(settings))
    packages = Packages(world, versions, contents, engine.journal, watcher)
    return SelfUpdate(
        world=world,
        versions=versions,
        packages=packages,
        settings=settings,
        running=parse_version(__version__),
        instance=agent.instance,
        main=engine.journal,
    )


def build_teller(settings: Settings) -> Teller:
    """Who speaks to the fleet for this instance."""
    # A megabyte that nobody shall carry who does not report.
    from koprogo_agent.adapters.fleet import FleetServer  # noqa: PLC0415
    from koprogo_agent.reporting.outbox import Outbox  # noqa: PLC0415
    from koprogo_agent.reporting.teller import Teller  # noqa: PLC0415

    state, fleet = settings.state.directory, settings.fleet
    return Teller(
        fleet=FleetServer(fleet.url, state / IDENTITY, settings.network.rules.proxy_for(fleet.url)),
        outbox=Outbox(state / REPORTS),
        agent=__version__,
        token=fleet.token.get_secret_value() if fleet.token else None,
    )


def build_reporter(settings: Settings, poll: Callable[[], None]) -> Reporter | None:
    """Who reports by itself; None where the operator did not choose it."""
    if not settings.fleet.reports:
        return None
    from koprogo_agent.reporting.reporter import Reporter  # noqa: PLC0415 - see above

    return Reporter(build_teller(settings), settings.source.interval, poll)
