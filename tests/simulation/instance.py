"""One instance of the fake world: a stack, its agent, and what happens to both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from koprogo_agent.errors import AgentError
from koprogo_agent.ports import PullProgress
from koprogo_agent.settings import Settings
from koprogo_agent.settings.itself import State
from koprogo_agent.settings.sections import (
    Backup,
    Database,
    Gate,
    Hold,
    Probe,
    Soak,
    Stack,
)
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.job import project
from koprogo_agent.update.requests import Requests
from koprogo_agent.update.runner import Ran
from koprogo_agent.update.world import World
from tests.simulation.clock import SimClock
from tests.simulation.compose import SimStack
from tests.simulation.disk import Disk
from tests.simulation.faults import Killed, Tapped, TappedJournal, Taps
from tests.simulation.images import Registry, SimImages
from tests.simulation.machine import Machine
from tests.simulation.origin import Origin
from tests.simulation.people import PROJECT, PUBLIC, SimNotifier, SimProber, SimWatcher, Users
from tests.simulation.postgres import APPLICATION, Data, SimDatabase
from tests.simulation.releases import COMPOSE_FILES, FIXED, Publisher
from tests.simulation.rooms import IMAGE, SimRooms
from tests.simulation.signing import SimSignatures
from tests.simulation.trust import Association, SimAnchor

TICK = 180.0
_ENVIRONMENT = "JWT_SECRET=a-secret\n"


def make_settings(folder: Path, **sections: Mapping[str, Any]) -> Settings:
    """Real settings with paths below a folder; `gate={"samples": 1}` changes single keys."""
    env_file = folder / "operator.env"
    if not env_file.exists():
        env_file.write_text(_ENVIRONMENT)
    stack = Stack(
        project=PROJECT,
        directory=folder / "stack",
        compose_files=COMPOSE_FILES,
        env_files=(env_file,),
        ingress=("ingress",),
        writers=("backend",),
    )
    health = Probe(
        name="health",
        service="backend",
        port=8080,
        path="/api/v1/health",
        url=PUBLIC,
        contains={"status": "ok"},
    )
    plain = Settings(
        stack=stack,
        database=Database(service="postgres"),
        gate=Gate(deadline=30, max_deadline=300),
        soak=Soak(duration=120, interval=15),
        hold=Hold(image=IMAGE),
        probe=(health,),
        backup=Backup(directory=folder / "backups", daily_at=None),
        state=State(directory=folder / "state", run_directory=folder / "run"),
    )
    changed = {
        name: getattr(plain, name).model_copy(update=dict(keys)) for name, keys in sections.items()
    }
    return plain.model_copy(update=changed)


@dataclass
class Scene:
    """Everything outside the agent. A deep copy is another world in the same state."""

    settings_paths: tuple[Path, Path, Path]
    clock: SimClock = field(default_factory=SimClock)
    origin: Origin = field(default_factory=Origin)
    anchor: SimAnchor = field(default_factory=SimAnchor)
    registry: Registry = field(default_factory=Registry)
    notifier: SimNotifier = field(default_factory=SimNotifier)

    def __post_init__(self) -> None:
        self.machine = Machine(self.clock)
        self.disk = Disk(*self.settings_paths)
        self.images = SimImages(self.registry, Path("/var/lib/docker"), self.machine)
        self.stack = SimStack(self.machine, self.images, self.disk)
        self.rooms = SimRooms(self.machine, self.images)
        self.database = SimDatabase(self.machine, self.disk, self.images)
        self.users = Users(self.machine)
        self.prober = SimProber(self.machine)
        self.publisher = Publisher(self.origin, self.registry)
        self.association = Association(self.origin)
        self.machine.busy = self.users.write
        for reference, program in FIXED.items():
            name, _, tag = reference.partition(":")
            self.registry.publish(name, tag, program)

    def world(self, taps: Taps) -> World:
        """The ports, with faults in between."""
        self.machine.middle = self.disk.middle = lambda name: taps(f"{name} in the middle")
        taps.each = self.users.write

        def tapped(name: str, port: object) -> Any:  # noqa: ANN401 - each port by its own type
            return cast("Any", Tapped(name, port, taps))

        return World(
            source=tapped("source", self.origin),
            anchor=tapped("anchor", self.anchor),
            signatures=tapped("signatures", SimSignatures()),
            images=tapped("images", self.images),
            stack=tapped("stack", self.stack),
            rooms=tapped("rooms", self.rooms),
            database=tapped("database", self.database),
            prober=tapped("prober", self.prober),
            files=tapped("files", self.disk),
            clock=tapped("clock", self.clock),
            notifier=tapped("notifier", self.notifier),
        )


class Instance:
    """A scene, and the agent that keeps it current.

    Attributes:
        errors: what ticks have raised.
        deaths: how often the agent was killed.
        power_cuts: whether the machine loses power when the agent is killed.
        while_away: called while no agent runs, after its death.
    """

    def __init__(
        self, folder: Path, settings: Settings, scene: Scene, taps: Taps | None = None
    ) -> None:
        self.folder, self.settings, self.scene = folder, settings, scene
        self.taps = taps or Taps()
        self.watcher = SimWatcher()
        self.errors: list[AgentError] = []
        self.deaths = 0
        self.power_cuts = False
        self.while_away: Callable[[], None] | None = None
        self.start()

    @classmethod
    def new(cls, folder: Path, **sections: Mapping[str, Any]) -> Instance:
        """A machine on which nothing runs yet."""
        settings = make_settings(folder, **sections)
        paths = (settings.stack.directory, settings.state.directory, settings.backup.directory)
        return cls(folder, settings, Scene(paths))

    def copy(self, folder: Path, taps: Taps | None = None) -> Instance:
        """Another instance in the same state, its journal elsewhere; this one's ends."""
        folder.mkdir(parents=True, exist_ok=True)
        self.journal.close()
        shutil.copyfile(self._journal_path, folder / "state.db")
        self.scene.machine.middle = self.scene.disk.middle = _nothing
        return Instance(folder, self.settings, deepcopy(self.scene), taps)

    def start(self) -> None:
        """The agent's process starts."""
        self.taps.dead = False
        world = self.scene.world(self.taps)
        self.journal = TappedJournal(self._journal_path, self.scene.clock.now(), self.taps)
        self.engine = Engine(world, self.settings, self.journal, self.watcher, _never)
        self.requests = Requests(self.engine)

    def restart(self) -> None:
        """It ends between two ticks and starts again."""
        self.journal.close()
        self.start()

    @property
    def _journal_path(self) -> Path:
        return self.folder / "state.db"

    # --- what happens

    def tick(self) -> Ran | None:
        """One tick, as the daemon does it, and the looks of a soak after it."""

        def ticks() -> Ran | None:
            ran = self.engine.tick()
            return ran and self.engine.see_through(ran)

        return self.act(ticks)

    def act(self, act: Callable[[], Ran | None]) -> Ran | None:
        """Lets the agent do something; afterwards it is running, whatever happened."""
        try:
            return act()
        except AgentError as error:
            self.errors.append(error)
        except Killed:
            self.deaths += 1
            self.journal.close()
            if self.power_cuts:
                self.scene.machine.crash_of_power()
            if self.while_away is not None:
                self.while_away()
            self._start_until_alive()
        return None

    def _start_until_alive(self) -> None:
        while True:
            try:
                self.start()
            except Killed:
                self.deaths += 1
                continue
            return

    def settle(self, most: int = 60) -> None:
        """Ticks until there is nothing to do and nothing that is tried again later."""
        for _ in range(most):
            errors, deaths = len(self.errors), self.deaths
            ran = self.tick()
            calm = ran is None and (errors, deaths) == (len(self.errors), self.deaths)
            waits = {waits for _, waits, _ in self.engine.standing.pending.reasons}
            if calm and self.journal.live() is None and "backoff" not in waits:
                return
            self.scene.clock.wait(TICK)
        raise AssertionError(f"it never comes to rest: {self.errors[-1:]}")

    def wait(self, seconds: float) -> None:
        """Time goes by between ticks."""
        self.scene.clock.wait(seconds)

    def install(self, version: str = "1.0.0") -> None:
        """Publishes a first release and lets the agent install it."""
        self.scene.publisher.publish(version)
        self.settle()
        assert self.installed == f"v{version}", self.watcher.failures

    def bring_up_by_hand(self, tag: str, image_tag: str = "") -> None:
        """What a self-hoster does without an agent: clone, set IMAGE_TAG, pull, up.

        Args:
            tag: of the release whose files they clone.
            image_tag: IMAGE_TAG, if not the release's tag.
        """
        image_tag = image_tag or tag
        origin, disk, stack = self.scene.origin, self.scene.disk, self.settings.stack
        head = origin.objects[origin.refs[tag]].decode()
        files = origin.commits[head.split("\n", 1)[0].removeprefix("object ")]
        disk.texts |= {disk.stack_path(path): content for path, content in files.items()}
        env_file = stack.env_files[0]
        env_file.write_text(f"{env_file.read_text()}IMAGE_TAG={image_tag}\n")
        paths = [disk.stack_path(path) for path in stack.compose_files]
        by_hand = project(self.settings, paths, image_tag)
        for service in self.scene.stack.render(by_hand)["services"].values():
            self.scene.images.pull(service["image"], _look_away)
        self.scene.stack.up(by_hand)
        self.wait(60)

    # --- what is true

    @property
    def installed(self) -> str | None:
        """What the journal says runs."""
        deployment = self.journal.installed
        return deployment.tag if deployment else None

    @property
    def running(self) -> str | None:
        """The version of the backend that serves."""
        box = self.scene.machine.one(PROJECT, "backend")
        return f"v{box.program.version}" if box is not None and box.serves else None

    @property
    def ids(self) -> dict[str, str]:
        """Service -> container id."""
        return {box.service: box.id for box in self.scene.machine.of(PROJECT)}

    @property
    def data(self) -> Data:
        """The application's database."""
        return self.scene.machine.servers[PROJECT].databases[APPLICATION]

    @property
    def quarantined(self) -> set[str]:
        """Tags in quarantine."""
        return {one.tag for one in self.engine.memory.quarantined().values()}


def _look_away(_progress: PullProgress) -> None:
    """Nobody watches a pull by hand."""


def _never() -> bool:
    return False


def _nothing(_name: str) -> None:
    """No fault strikes a world that is being copied."""
