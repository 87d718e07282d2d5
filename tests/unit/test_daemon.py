"""The daemon: it ticks on in one thread, says what it does, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from koprogo_agent import daemon
from koprogo_agent.daemon import Daemon, DaemonWatcher
from koprogo_agent.domain.plan import Action, Step
from koprogo_agent.ports import Supervisor
from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Source
from koprogo_agent.wiring import Agent


class Quiet:
    """A supervisor that remembers its last word."""

    said = ""

    def ready(self) -> None:
        """It began."""

    def alive(self) -> None:
        """It goes on."""

    def status(self, text: str) -> None:
        """What it does."""
        self.said = text

    def stopping(self) -> None:
        """It ends."""
        self.said = "stopping"


def test_the_scheduled_ticks_run_where_the_journal_was_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQLite forbids other threads; a tick that breaks that rule would break every tick."""
    ticks: list[float] = []

    @contextmanager
    def open_agent(*_: object) -> Iterator[Agent]:
        journal = sqlite3.connect(":memory:")

        def tick() -> None:
            journal.execute("SELECT 1")
            ticks.append(time.monotonic())
            if len(ticks) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        agent = SimpleNamespace(
            instance="one",
            engine=SimpleNamespace(tick=tick),
            lock=nullcontext,
            now=lambda: datetime.now(UTC),
            summary=lambda: "healthy",
        )
        yield cast("Agent", agent)
        journal.close()

    monkeypatch.setattr(daemon, "open_agent", open_agent)
    supervisor = Quiet()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with capture_logs() as logged:
            Daemon(Settings(source=Source(interval=1)), supervisor).run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(ticks) == 3
    assert [one["event"] for one in logged] == ["agent.started", "agent.stopped"]
    assert supervisor.said == "stopping"


def test_a_step_is_logged_whatever_it_learned() -> None:
    """Facts may have the names that the log has words for already."""
    watcher = DaemonWatcher(cast("Supervisor", Quiet()))
    facts = {"seconds": 9.0, "step": "odd", "bytes": 3, "target": {}}
    with capture_logs() as logged:
        watcher.finished(Action(Step.SWITCH), 1.234, facts)
    (line,) = logged
    assert (line["step"], line["seconds"], line["bytes"]) == ("switch", 1.23, 3)
    assert "target" not in line
