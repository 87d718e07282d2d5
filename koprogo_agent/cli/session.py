"""What a verb needs: the settings, the journal to read, or the agent to act with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from koprogo_agent.cli import log
from koprogo_agent.cli.begin import begin
from koprogo_agent.cli.exits import NOT_ROOT
from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure, NeedsOperator, RetryLater
from koprogo_agent.reporting.outbox import Heard
from koprogo_agent.selfupdate.standing import OwnStanding, read_own_standing
from koprogo_agent.settings import Settings
from koprogo_agent.update.memory import Memory
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.reading import JournalToRead
from koprogo_agent.update.status import Status, read_status
from koprogo_agent.update.world import Watcher
from koprogo_agent.wiring import JOURNAL, Agent, build_teller, open_agent

_PATIENCE = 20.0
"""Seconds that a verb waits for a poll of the daemon to end; an update takes longer."""
_PAUSE = 0.25


class Unwatched:
    """Nobody wants to see how it goes on."""

    def begins(self, action: Action, tag: str) -> None:
        """An action is about to be carried out."""

    def goes_on(self, note: str, done: int, total: int) -> None:
        """The present action makes progress."""

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """The action was carried out."""

    def broke(self, action: Action, failure: Failure) -> None:
        """The action failed."""


@dataclass(frozen=True)
class Reading:
    """What can be read without touching anything.

    Attributes:
        now: when the verb was typed.
    """

    settings: Settings
    journal: JournalToRead
    now: datetime

    @property
    def memory(self) -> Memory:
        """What is remembered of releases."""
        return Memory(self.journal.store)

    @property
    def status(self) -> Status:
        """Where this instance stands."""
        return read_status(self.journal, self.settings, self.now)

    @property
    def agent(self) -> OwnStanding | None:
        """Where the agent itself stands."""
        return read_own_standing(self.settings, self.now)

    @property
    def heard(self) -> Heard | None:
        """How it goes with the reports; None where nobody wants any."""
        return build_teller(self.settings).outbox.heard if self.settings.fleet.reports else None


@contextmanager
def reading(config: Path | None) -> Iterator[Reading]:
    """Opens the journal to read.

    Raises:
        NeedsOperator: there is none, or this user may not read it.
    """
    settings = begin(config)
    try:
        journal = JournalToRead(settings.state.directory / JOURNAL)
    except NeedsOperator as error:
        if error.code == "journal.forbidden":
            raise _as_root(error.message) from error
        raise
    try:
        yield Reading(settings, journal, datetime.now(UTC))
    finally:
        journal.close()


@contextmanager
def speaking(config: Path | None) -> Iterator[Agent]:
    """Opens the agent for a word that is written down in one go, whatever else is going on."""
    settings = begin(config)
    _require_writable(settings)
    log.configure(settings)
    with open_agent(settings, Unwatched(), _never) as agent:
        yield agent


@contextmanager
def acting(
    config: Path | None,
    watcher: Watcher | None = None,
    stopping: Callable[[], bool] | None = None,
) -> Iterator[Agent]:
    """Opens the agent, and keeps every other one from acting meanwhile.

    Raises:
        RetryLater: another one is at work; the message says at what (`agent.busy`).
    """
    settings = begin(config)
    _require_writable(settings)
    log.configure(settings)
    with (
        open_agent(settings, watcher or Unwatched(), stopping or _never) as agent,
        ExitStack() as held,
    ):
        with agent.awaiting_lock():
            _take_lock(agent, held)
        yield agent


def _take_lock(agent: Agent, held: ExitStack) -> None:
    """Waits for a poll of another agent, or its look at what it watches; not for an operation."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            held.enter_context(agent.lock())
        except RetryLater as error:
            live = agent.engine.journal.live()
            if live is not None and not live.state.watches:
                doing = f"{live.kind} of {live.tag}, step {live.state.action}"
                raise RetryLater(
                    f"{error.message}: {doing}", code=error.code, advice=error.advice
                ) from error
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _require_writable(settings: Settings) -> None:
    """Says at once what a user without rights would learn from some adapter later."""
    folder = settings.state.directory
    present = next(path for path in (folder, *folder.parents) if _is_there(path))
    if not os.access(present, os.W_OK | os.X_OK):
        raise _as_root(f"this user may not write to {folder}")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _as_root(message: str) -> NeedsOperator:
    return NeedsOperator(message, code=NOT_ROOT, advice="type the same behind sudo")


def _never() -> bool:
    return False
