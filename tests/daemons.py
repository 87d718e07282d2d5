"""A daemon to its end: what it asks of its agent is given, and what it says is remembered."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from koprogo_agent import daemon
from koprogo_agent.daemon import Daemon
from koprogo_agent.errors import RetryLater
from koprogo_agent.reporting.snapshot import Snapshot
from koprogo_agent.settings import Settings
from koprogo_agent.settings.itself import Fleet, State
from koprogo_agent.settings.sections import Policy, Soak, Source
from koprogo_agent.wire.report import StateName
from koprogo_agent.wiring import Agent

WELL = Snapshot(
    at=datetime(2026, 11, 26, tzinfo=UTC),
    state=StateName.CURRENT,
    installed="v1.0.0",
    digest=None,
    channel="stable",
    operations=(),
    pending=None,
    polled=None,
)

SOON = 0.1
"""Seconds between two looks at what was installed."""


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
    last_look: int = 0
    """The look during which systemd stops the service, if it is to."""
    own: Own | None = None
    """How it keeps itself current, if it does."""
    state: Path | None = None
    """Where it keeps what it reports, if it does: to a server that is not there."""
    kept: set[int] = field(default_factory=set)
    """Signals that the kernel keeps for later once the daemon has ended."""

    def run(self, **options: bool) -> tuple[Daemon, list[str]]:
        """Runs a daemon to its end; gives it and the names of what was logged."""
        self.monkeypatch.setattr(daemon, "open_agent", self._open_agent)
        self.monkeypatch.setattr(daemon, "build_self_update", lambda *_: self.own)
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        settings = Settings(
            source=Source(interval=self.interval),
            soak=Soak(interval=SOON),
            policy=Policy(poll_stale_after=2 * self.interval),
            fleet=Fleet(reports=self.state is not None, url="http://127.0.0.1:9"),
            state=State(directory=self.state) if self.state else State(),
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
            if self.looks == self.last_look:
                os.kill(os.getpid(), signal.SIGTERM)
            agent.goes_on_after = SOON if self.looks < self.watches else None

        def look() -> None:
            assert self.own is not None
            self.own.polls += 1
            if self.own.away:
                raise RetryLater("the source is away", code="source.unreachable")

        agent = SimpleNamespace(
            instance="one",
            engine=SimpleNamespace(tick=tick, finish=finish, look=look),
            now=lambda: datetime.now(UTC),
            lock_unless_awaited=nullcontext,
            summary=lambda: "healthy",
            with_condition=lambda text: text,
            snapshot=lambda: WELL,
            is_at_rest=self.at_rest,
            goes_on_after=SOON if self.watches else None,
        )
        yield cast("Agent", agent)
        journal.close()


def end_at(last: int) -> Callable[[int], None]:
    """A tick during which systemd stops the service, if it is the last one."""

    def tick(number: int) -> None:
        if number == last:
            os.kill(os.getpid(), signal.SIGTERM)

    return tick
