"""The daemon: it ticks on in one thread, says what it does, and ends when it is told to."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import cast

import pytest
from structlog.testing import capture_logs

from koprogo_agent.domain.plan import Action, Step
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Supervisor
from koprogo_agent.watching import DaemonWatcher
from tests.daemons import Quiet, Scene, end_at


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


def test_what_pauses_is_gone_on_with_before_the_next_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Users may be waiting in its hold."""
    tries: list[int] = []

    def tick(number: int) -> None:
        tries.append(number)

    scene = Scene(monkeypatch, tick, interval=3600, watches=3, last_look=3)
    scene.run()
    assert (len(tries) <= 2, scene.looks) == (True, 3)


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
