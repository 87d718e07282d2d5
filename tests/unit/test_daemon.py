"""The daemon: it ticks on in one thread, says what it does, and ends when it is told to."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from koprogo_agent import daemon
from koprogo_agent.daemon import Daemon
from koprogo_agent.domain import succession
from koprogo_agent.domain.plan import Action, Step
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Supervisor
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Policy, Soak, Source
from koprogo_agent.watching import DaemonWatcher
from koprogo_agent.wiring import Agent


@dataclass
class Quiet:
    """A supervisor that remembers its last word, and can end the daemon when it is heard of.

    Attributes:
        last: the sign of life at which it is stopped, if it is to be.
    """

    watchdog_seconds: float | None = None
    last: int = 0
    said: str = ""
    beats: int = 0

    def ready(self) -> None:
        """It began."""

    def alive(self) -> None:
        """It goes on."""
        self.beats += 1
        if self.beats == self.last:
            os.kill(os.getpid(), signal.SIGTERM)

    def status(self, text: str) -> None:
        """What it does."""
        self.said = text

    def stopping(self) -> None:
        """It ends."""
        self.said = "stopping"


@dataclass
class Own:
    """How a daemon keeps itself current, as far as it can see that.

    Attributes:
        away: whether the source is away while it is on trial.
        breaks: raised instead of an answer.
    """

    on_trial: bool = False
    is_due: bool = False
    is_superseded: bool = False
    away: bool = False
    breaks: Exception | None = None
    polls: int = 0
    did: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """It starts."""
        self._do("begin")

    def change(self) -> bool:
        """There is a newer version."""
        self._do("change")
        return True

    def bless(self) -> None:
        """It has proved itself."""
        self.on_trial = False
        self._do("bless")

    def step_back(self) -> None:
        """It could not."""
        self._do("step back")

    def _do(self, what: str) -> None:
        self.did.append(what)
        if self.breaks is not None:
            raise self.breaks


@dataclass
class Scene:
    """An agent whose ticks are given; the signals and what is logged are this scene's own."""

    monkeypatch: pytest.MonkeyPatch
    tick: Callable[[int], None]
    ticks: int = 0
    interval: float = 1
    supervisor: Quiet = field(default_factory=Quiet)
    at_rest: bool = True
    watches: int = 0
    """How often what was installed is looked at before the soak is over."""
    looks: int = 0
    own: Own | None = None
    """How it keeps itself current, if it does."""
    kept: set[int] = field(default_factory=set)
    """Signals that the kernel keeps for later once the daemon has ended."""

    def run(self, **options: bool) -> tuple[Daemon, list[str]]:
        """Runs a daemon to its end; gives it and the names of what was logged."""
        self.monkeypatch.setattr(daemon, "open_agent", self._open_agent)
        self.monkeypatch.setattr(daemon, "build_self_update", lambda *_: self.own)
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        settings = Settings(
            source=Source(interval=self.interval),
            soak=Soak(interval=0.1),
            policy=Policy(poll_stale_after=2 * self.interval),
        )
        ran = Daemon(settings, self.supervisor, **options)
        try:
            with capture_logs() as logged:
                ran.run()
            self.kept = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, before)
        return ran, [one["event"] for one in logged]

    @contextmanager
    def _open_agent(self, *_: object) -> Iterator[Agent]:
        journal = sqlite3.connect(":memory:")

        def tick() -> None:
            journal.execute("SELECT 1")
            self.ticks += 1
            self.tick(self.ticks)

        def finish() -> None:
            journal.execute("SELECT 1")
            self.looks += 1
            agent.watches = self.looks < self.watches

        def look() -> None:
            assert self.own is not None
            self.own.polls += 1
            if self.own.away:
                raise RetryLater("the source is away", code="source.unreachable")

        agent = SimpleNamespace(
            instance="one",
            engine=SimpleNamespace(tick=tick, finish=finish, look=look),
            now=lambda: datetime.now(UTC),
            lock=nullcontext,
            summary=lambda: "healthy",
            is_at_rest=self.at_rest,
            watches=self.watches > 0,
        )
        yield cast("Agent", agent)
        journal.close()


def end_at(last: int) -> Callable[[int], None]:
    """A tick during which systemd stops the service, if it is the last one."""

    def tick(number: int) -> None:
        if number == last:
            os.kill(os.getpid(), signal.SIGTERM)

    return tick


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests may have imported what an idle daemon does without."""
    monkeypatch.delitem(sys.modules, "docker", raising=False)


def test_the_scheduled_ticks_run_where_the_journal_was_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQLite forbids other threads; a tick that breaks that rule would break every tick."""
    scene = Scene(monkeypatch, end_at(3))
    ran, logged = scene.run()
    assert scene.ticks == 3
    assert logged == ["agent.started", "agent.stopped"]
    assert (scene.supervisor.said, ran.afresh) == ("stopping", False)
    assert not scene.kept


def test_between_ticks_it_says_that_it_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the watchdog would end every daemon that polls more seldom than it is watched."""
    patient = Quiet(watchdog_seconds=3, last=3)
    scene = Scene(monkeypatch, lambda _number: None, interval=3600, supervisor=patient)
    scene.run()
    assert scene.ticks <= 2, "the first, and the one that may be due in this very second"
    assert patient.beats == patient.last


@pytest.mark.parametrize("last", [1, 2])
def test_after_an_operation_it_begins_afresh(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """What the operation imported stays in memory; systemd is not told that anything ended."""

    def tick(number: int) -> None:
        if number == last:
            monkeypatch.setitem(sys.modules, "docker", ModuleType("docker"))

    scene = Scene(monkeypatch, tick)
    ran, logged = scene.run()
    assert (scene.ticks, ran.afresh) == (last, True)
    assert scene.kept >= {signal.SIGTERM, signal.SIGINT}
    assert logged == ["agent.started"]
    assert scene.supervisor.said == "healthy"


def test_an_operation_under_way_is_gone_on_with_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a pause of it would be no pause: the agent would begin afresh, and again."""
    monkeypatch.setitem(sys.modules, "docker", ModuleType("docker"))
    ran, _ = Scene(monkeypatch, end_at(2), at_rest=False).run()
    assert not ran.afresh


def test_beginning_afresh_waits_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last tick was just now; and a backup that fails at each tick must not go round."""
    began = time.monotonic()
    moments: list[float] = []

    def tick(_number: int) -> None:
        moments.append(time.monotonic() - began)
        os.kill(os.getpid(), signal.SIGTERM)

    Scene(monkeypatch, tick).run(just_ticked=True)
    assert len(moments) == 1
    assert moments[0] > 0.01


class _At(logging.Handler):
    """Does something at the moment when a message is logged."""

    def __init__(self, message: str, then: Callable[[], None]) -> None:
        super().__init__(logging.INFO)
        self._message = message
        self._then = then

    def emit(self, record: logging.LogRecord) -> None:
        """Overhears a record."""
        if record.getMessage().startswith(self._message):
            self._then()


@pytest.mark.parametrize("message", ["Added job", "Scheduler started"])
def test_a_stop_between_the_first_tick_and_the_schedule_is_heard(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    """Else systemd waits in vain for as long as it waits at all, and then kills."""
    caplog.set_level(logging.INFO, "apscheduler.scheduler")
    overhears = _At(message, lambda: os.kill(os.getpid(), signal.SIGTERM))
    logger = logging.getLogger("apscheduler.scheduler")
    logger.addHandler(overhears)
    scene = Scene(monkeypatch, end_at(2))
    try:
        scene.run()
    finally:
        logger.removeHandler(overhears)
    assert (scene.ticks, scene.supervisor.said) == (1, "stopping")


def test_a_step_is_logged_whatever_it_learned() -> None:
    """Facts may have the names that the log has words for already."""
    watcher = DaemonWatcher(cast("Supervisor", Quiet()))
    facts = {"seconds": 9.0, "step": "odd", "bytes": 3, "target": {}}
    with capture_logs() as logged:
        watcher.finished(Action(Step.SWITCH), 1.234, facts)
    (line,) = logged
    assert (line["step"], line["seconds"], line["bytes"]) == ("switch", 1.23, 3)
    assert "target" not in line


def test_what_is_watched_is_looked_at_between_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own interval and not that of polls, which go on; in between, nothing is held."""
    scene = Scene(monkeypatch, end_at(3), watches=3)
    scene.run()
    assert (scene.ticks, scene.looks) == (3, 3)


def test_what_is_watched_is_not_forgotten_over_a_dead_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A poll that fails ends neither the looks nor the daemon."""

    def tick(number: int) -> None:
        end_at(3)(number)
        raise RetryLater("the source is away", code="source.unreachable")

    scene = Scene(monkeypatch, tick, watches=3)
    scene.run()
    assert (scene.ticks, scene.looks) == (3, 3)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial takes less than a second."""
    monkeypatch.setattr(succession, "PROOF_SECONDS", 0.2)
    monkeypatch.setattr(succession, "BLAMELESS_SECONDS", 0.3)
    monkeypatch.setattr(daemon, "_PROVES_AGAIN", timedelta(seconds=0.1))


@pytest.mark.usefixtures("_hasty")
def test_on_trial_it_only_polls_until_it_is_blessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that it began could be cut off in the middle when it is put back."""
    own = Own(on_trial=True)
    scene = Scene(monkeypatch, end_at(1), interval=3600, own=own)
    scene.run()
    assert own.did[:2] == ["begin", "bless"]
    assert own.polls >= 2
    assert scene.ticks == 1


@pytest.mark.usefixtures("_hasty")
def test_on_trial_without_a_source_it_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the rescue puts it aside for something that is not its fault."""
    own = Own(on_trial=True, away=True)
    scene = Scene(monkeypatch, end_at(9), interval=3600, own=own)
    ran, logged = scene.run()
    assert own.did == ["begin", "step back"]
    assert (scene.ticks, ran.afresh, logged[-1]) == (0, False, "agent.stopped")


@pytest.mark.parametrize("own", [Own(is_due=True), Own(is_superseded=True)])
def test_it_makes_way_for_another_version(monkeypatch: pytest.MonkeyPatch, own: Own) -> None:
    """The other one is started by systemd; beginning afresh would start this one again."""
    monkeypatch.setitem(sys.modules, "docker", ModuleType("docker"))
    scene = Scene(monkeypatch, end_at(9), own=own)
    ran, logged = scene.run()
    assert (scene.ticks, ran.afresh, logged[-1]) == (1, False, "agent.stopped")


def test_it_makes_way_between_updates_and_never_during_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way, or watched, is seen to its end by who began it."""
    own = Own(is_due=True)
    scene = Scene(monkeypatch, end_at(2), at_rest=False, own=own)
    scene.run()
    assert own.did == ["begin"]


@pytest.mark.parametrize("fault", [RetryLater("away", code="x"), ZeroDivisionError()])
def test_what_goes_wrong_with_itself_keeps_it_from_no_tick(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Else a full disk below /opt would stop KoproGo's own security releases."""
    scene = Scene(monkeypatch, end_at(3), own=Own(is_due=True, breaks=fault))
    scene.run()
    assert scene.ticks == 3
