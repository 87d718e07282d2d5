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
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from koprogo_agent import daemon
from koprogo_agent.daemon import Daemon, DaemonWatcher
from koprogo_agent.domain.plan import Action, Step
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Supervisor
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Policy, Soak, Source
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
    kept: set[int] = field(default_factory=set)
    """Signals that the kernel keeps for later once the daemon has ended."""

    def run(self, **options: bool) -> tuple[Daemon, list[str]]:
        """Runs a daemon to its end; gives it and the names of what was logged."""
        self.monkeypatch.setattr(daemon, "open_agent", self._open_agent)
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

        agent = SimpleNamespace(
            instance="one",
            engine=SimpleNamespace(tick=tick, finish=finish),
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
