"""Goes through drawn turns on a machine, and says at the end what must be true of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from koprogo_agent.domain.host import Holder, Port
from koprogo_agent.domain.overlay import override, replicas, services
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Outcome
from koprogo_agent.ports import Project
from koprogo_agent.update.job import PINS, project
from tests.simulation.any_stack import (
    BROKEN,
    FURTHER,
    NAME,
    PORT,
    WITH_A_MIGRATION,
    Files,
    Shape,
    Strike,
    Turn,
)
from tests.simulation.box import Box
from tests.simulation.checks import (
    assert_no_row_lost,
    assert_nothing_left,
    assert_rules_kept,
    assert_serves,
    is_held,
)
from tests.simulation.faults import Taps
from tests.simulation.images import Program
from tests.simulation.instance import TICK, Instance
from tests.simulation.machine import Machine
from tests.simulation.people import PROJECT

OVERRIDE = Path("/srv/own.yml")
STRANGER = Holder(NAME, "", "", "exited")
PAUSE = 3700.0
"""Seconds between two turns: what is tried again later has its time."""
TICKS = 4
"""Ticks of a turn."""
DAY = 86_400.0
"""Seconds that the agent may wait until it tries again what users met twice."""
_IMAGES = {
    "tool": ("1", Program("server", "tool")),
    "shot": ("1", Program("shot", "shot")),
    "storage": ("2", Program("server", "storage 2")),
    "crashing": ("1", Program("backend", "crashing", start_seconds=0.0, exits="at start")),
}


class Moments(Taps):
    """The instants of an operation at which something may strike."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: Callable[[], None] | None = None

    def __call__(self, name: str) -> None:
        """An instant before, in or after an effect."""
        super().__call__(name)
        self._pass()

    def look(self, name: str) -> None:
        """A look at the world."""
        super().look(name)
        self._pass()

    def _pass(self) -> None:
        if self.passes is not None:
            self.passes()


@dataclass
class Course:
    """A machine, and the turns that it goes through.

    Attributes:
        theirs: a container of another file of the operator's, in the same project.
        files: what the operator's files ask for now.
        broken: the tags of releases that are broken.
        sound: those of the others, in order.
        strikes: what has not struck yet in this turn.
        undo: when something is undone, and how.
        struck: what has struck.
    """

    instance: Instance
    theirs: Box | None = None
    files: Files = field(default_factory=Files)
    broken: set[str] = field(default_factory=set)
    sound: list[str] = field(default_factory=lambda: ["v1.0.0"])
    strikes: list[Strike] = field(default_factory=list)
    undo: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    number: int = 0
    _plain: str = ""
    _away: bool = False
    _began: int = 0
    _passed: int = 0
    _restored: int = 0

    @classmethod
    def begin(cls, folder: Path, shape: Shape, *, rehearses: bool, heals: bool) -> Course:
        """A machine that runs v1.0.0, and something else of the operator's in its project."""
        made = Instance.new(
            folder,
            stack={"overrides": (OVERRIDE,)},
            rehearsal={"when": "always" if rehearses else "never"},
            policy={"drift": "heal" if heals else "repair"},
            soak={"duration": 45.0},
        )
        scene = made.scene
        for name, (tag, program) in _IMAGES.items():
            scene.registry.publish(name, tag, program)
            scene.images.pull(f"{name}:{tag}", lambda _: None)
        course = cls(made)
        course._plain = made.settings.stack.env_files[0].read_text()
        course._wear(shape)
        course.write(Files())
        made.install()
        course.theirs = course._made_by_hand()
        made.taps = moments = Moments()
        made.restart()
        moments.passes = course._pass
        return course

    def _made_by_hand(self) -> Box:
        spec = {"image": "tool:1", "restart": "unless-stopped", "hash": "theirs"}
        machine = self.instance.scene.machine
        box = machine.make(PROJECT, "theirs", _IMAGES["tool"][1], spec)
        machine.start(box)
        return box

    # --- what happens

    def write(self, files: Files) -> None:
        """The operator writes their files."""
        self.files = files
        self.instance.scene.disk.texts[OVERRIDE] = files.override
        if not self._away:
            self._env_file.write_text(self._plain + files.variables)

    def go(self, turn: Turn) -> None:
        """One turn; raises AssertionError where anything is not as it must be."""
        self.number += 1
        self.write(turn.files)
        self.strikes = list(turn.strikes)
        self._happens(turn)
        for _ in range(TICKS):
            self.instance.tick()
            self._note_restored()
            self._wait(TICK)
        self.strikes.clear()
        self.assert_blameless()
        self._wait(PAUSE)

    def end(self, shape: Shape) -> None:
        """What stands in the way is undone, and one more sound release comes."""
        for _, undo in self.undo:
            undo()
        self.undo.clear()
        self.write(self.files.possible)
        self._settle()
        self.assert_blameless()
        self.assert_newest()
        self.number += 1
        self._publish("good", shape)
        self._settle()
        self.assert_blameless()
        self.assert_newest()
        assert self.instance.installed == self.sound[-1]
        self.assert_as_compose_would()

    def _happens(self, turn: Turn) -> None:
        what, _, service = turn.then.partition(" ")
        if turn.then.startswith("good") or turn.then.removesuffix(WITH_A_MIGRATION) in BROKEN:
            self._publish(turn.then, turn.shape)
        elif what == "rollback":
            self.instance.act(self.instance.requests.rollback)
        elif what == "restore":
            if dumps := self.instance.scene.disk.backups():
                name = dumps[-1].path.name
                self.instance.act(lambda: self.instance.requests.restore(name))
        else:
            self._fell(service, stopped=what == "stop")
        self._note_restored()

    def _publish(self, then: str, shape: Shape) -> None:
        kind = then.removesuffix(WITH_A_MIGRATION)
        crashes = kind == "a further service crashes"
        version = f"1.{self.number}.0"
        self._wear(shape, crashing=shape.crashing if crashes else "")
        broken = kind in BROKEN and bool(shape.crashing or not crashes)
        (self.broken.add if broken else self.sound.append)(f"v{version}")
        schema = then.endswith(WITH_A_MIGRATION) or kind.startswith("its migration")
        self.instance.scene.publisher.publish(version, schema=schema, backend=BROKEN.get(kind, {}))

    def _wear(self, shape: Shape, crashing: str = "") -> None:
        """Has the next release look like this."""
        publisher = self.instance.scene.publisher
        more: dict[str, Mapping[str, Any]] = dict(shape.services)
        if crashing:
            more[crashing] = {**more[crashing], "image": "crashing:1"}
        publisher.more = more
        publisher.networks = {one: {"name": f"koprogo_{one}"} for one in shape.networks}
        publisher.awaits = shape.needed

    def _fell(self, service: str, *, stopped: bool) -> None:
        """A person stops or removes a container."""
        names = FURTHER if service == "a further one" else (service,)
        machine = self.instance.scene.machine
        found = [box for name in names if (box := machine.one(PROJECT, name)) is not None]
        for box in found[:1]:
            (machine.stop if stopped else machine.remove)(box)

    def _note_restored(self) -> None:
        """Who restores a backup accepts the loss of what was written since."""
        past = self.instance.journal.past(1000)
        kinds = [one.operation.kind for one in past if one.outcome is Outcome.COMMITTED]
        if kinds.count(Kind.RESTORE) > self._restored:
            self._restored = kinds.count(Kind.RESTORE)
            users, kept = self.instance.scene.users, set(self.instance.data.rows)
            users.acknowledged = [row for row in users.acknowledged if row in kept]

    def _settle(self) -> None:
        for _ in range(4):
            with suppress(TimeoutError):
                self._settle_in_an_hour()
                return
            self.instance.wait(DAY)
        raise AssertionError(f"it never comes to rest: {self.instance.errors[-1:]}")

    def _settle_in_an_hour(self) -> None:
        """As `Instance.settle`, but what waits for longer is not waited for tick by tick."""
        for _ in range(20):
            errors = len(self.instance.errors)
            ran = self.instance.tick()
            self._note_restored()
            calm = ran is None and errors == len(self.instance.errors)
            waits = {waits for _, waits, _ in self.instance.engine.standing.pending.reasons}
            if calm and self.instance.journal.live() is None and "backoff" not in waits:
                return
            self._wait(TICK)
        raise TimeoutError

    # --- what strikes

    def _pass(self) -> None:
        """An instant."""
        self._undo_what_is_over()
        began = self.instance.watcher.began
        if len(began) != self._began:
            self._began, self._passed = len(began), 0
        self._passed += 1
        now = began[-1] if began else ""
        for strike in self.strikes:
            if strike.action == now and self._passed > strike.instant:
                self.strikes.remove(strike)
                self._strike(strike)
                break

    def _wait(self, seconds: float) -> None:
        self.instance.wait(seconds)
        self._undo_what_is_over()

    def _undo_what_is_over(self) -> None:
        now = self.instance.scene.clock.seconds
        for one in [one for one in self.undo if one[0] <= now]:
            self.undo.remove(one)
            one[1]()

    def _strike(self, strike: Strike) -> None:
        machine = self.instance.scene.machine
        self.struck.append(f"{strike.what} at {strike.action}")
        match strike.what:
            case "files":
                self.write(strike.files)
            case "env file":
                self._away = True
                self._env_file.unlink(missing_ok=True)
                self._later(strike, self._bring_env_file)
            case "override":
                self.instance.scene.disk.texts[OVERRIDE] = b'{"services": ['
                self._later(strike, lambda: self.write(self.files))
            case "port":
                machine.listening.append(Port("", PORT))
                self._later(strike, lambda: machine.listening.remove(Port("", PORT)))
            case "name" if not any(one.name == NAME for one in machine.host().holders):
                machine.others.append(STRANGER)
                self._later(strike, lambda: machine.others.remove(STRANGER))
            case "addresses":
                machine.lacks_addresses = True
                self._later(strike, self._give_addresses)
            case "pause":
                _each(machine, strike.service, "running", "paused")
                self._later(strike, lambda: _each(machine, strike.service, "paused", "running"))

    def _later(self, strike: Strike, undo: Callable[[], None]) -> None:
        self.undo.append((self.instance.scene.clock.seconds + strike.lasts, undo))

    def _bring_env_file(self) -> None:
        self._away = False
        self.write(self.files)

    def _give_addresses(self) -> None:
        self.instance.scene.machine.lacks_addresses = False

    @property
    def _env_file(self) -> Path:
        return self.instance.settings.stack.env_files[0]

    # --- what must be true

    def assert_blameless(self) -> None:
        """No fault of our own, no sound release blamed, never HELD, no row lost."""
        instance = self.instance
        assert_rules_kept(instance)
        quarantined = instance.engine.memory.quarantined().values()
        blamed = {one.tag for one in quarantined if one.code != "operator.rollback"}
        assert blamed <= self.broken, [one for one in quarantined if one.tag not in self.broken]
        assert not is_held(instance), instance.engine.standing.held
        if instance.journal.live() is None:  # a restore that is under way may yet go back
            assert_no_row_lost(instance)
        assert self.theirs is not None
        assert self.theirs in instance.scene.machine.boxes
        assert self.theirs.state == "running"

    def assert_newest(self) -> None:
        """Users are served by the newest sound release, or by what the operator went back to."""
        instance = self.instance
        assert_serves(instance)
        assert_nothing_left(instance)
        assert instance.engine.drift() == ()
        condition = instance.engine.health.examine()
        assert condition is not None
        assert not condition.is_down, condition.reason
        assert instance.installed in self.sound
        if not instance.quarantined - self.broken:
            assert instance.installed == self.sound[-1]

    def assert_as_compose_would(self) -> None:
        """As many containers of each service as asked for, and Compose would change none."""
        instance, machine = self.instance, self.instance.scene.machine
        whole = self._project
        model = instance.scene.stack.render(whole)
        there = [box for box in machine.of(PROJECT) if box is not self.theirs]
        counts = {name: replicas(one) for name, one in services(model).items()}
        found = {name: sum(box.service == name for box in there) for name in counts}
        assert found == counts
        assert {box.service for box in there} <= counts.keys()
        assert not [box.service for box in there if machine.is_cut_off(box)]
        before = {box.id for box in there}
        instance.scene.stack.up(whole)
        assert {box.id for box in machine.of(PROJECT) if box is not self.theirs} == before

    @property
    def _project(self) -> Project:
        """What is installed, as Compose is given it."""
        instance, installed = self.instance, self.instance.journal.installed
        assert installed is not None
        disk, settings = instance.scene.disk, instance.settings
        paths = [disk.stack_path(path) for path in installed.compose_files]
        model = instance.scene.stack.render(project(settings, paths, installed.image_tag))
        pins = disk.write_override(PINS, override(installed.pins, model))
        return project(settings, paths, installed.image_tag, pins)


def _each(machine: Machine, service: str, state: str, becomes: str) -> None:
    for box in machine.of(PROJECT, (service,)):
        if box.state == state:
            box.state = becomes
