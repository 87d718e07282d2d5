"""The daemon: a tick every three minutes, ended between steps and never inside one."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from types import FrameType

import structlog
from apscheduler.events import EVENT_SCHEDULER_STARTED, SchedulerEvent
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from koprogo_agent.domain.succession import Verdict, verdict
from koprogo_agent.errors import AgentError, RetryLater
from koprogo_agent.pace import EPOCH, phase_of
from koprogo_agent.ports import Supervisor
from koprogo_agent.schedule import SteadyScheduler
from koprogo_agent.selfupdate.succession import SelfUpdate
from koprogo_agent.settings import Settings
from koprogo_agent.telling import Silence, aside, telling
from koprogo_agent.update.leaving import may_leave
from koprogo_agent.watching import DaemonWatcher
from koprogo_agent.wiring import Agent, build_self_update, open_agent

log = structlog.get_logger()

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HEAVY = "docker"
"""What only operations and backups import; Python cannot give its memory back."""
_PROVES_AGAIN = timedelta(seconds=10)
"""From one poll of a version on trial to the next."""


class _Ended(Enum):
    """How something that the daemon did has ended."""

    WELL = auto()
    LATER = auto()
    BADLY = auto()


class Daemon:
    """Ticks until it is told to stop.

    Attributes:
        afresh: whether it has stopped in order to begin afresh in the same process, without what
            an operation has left in its memory: an idle agent must stay small.
    """

    def __init__(
        self, settings: Settings, supervisor: Supervisor, *, just_ticked: bool = False
    ) -> None:
        """`just_ticked` is true where it begins afresh: it waits for its next tick then."""
        self.afresh = False
        self._just_ticked = just_ticked
        self._settings = settings
        self._supervisor = supervisor
        self._stopping = False
        self._makes_way = False
        self._own: SelfUpdate | None = None
        self._fleet = Silence()
        self._ready_at = 0.0
        self._not_before = 0.0
        self._look_is_due = False
        longest = max(settings.source.interval, settings.soak.interval)
        self._scheduler = SteadyScheduler(timedelta(seconds=longest))
        self._scheduler.add_listener(self._started, EVENT_SCHEDULER_STARTED)

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT."""
        for name in _SIGNALS:
            signal.signal(name, self._stop)
        # Where this begins afresh, one may have come in between.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        watcher = DaemonWatcher(self._supervisor)

        def leaves() -> bool:
            # Behind the fence users wait, perhaps for ever if nobody starts the agent again.
            return self._stopping and may_leave(watcher.last)

        with (
            open_agent(self._settings, watcher, leaves) as agent,
            telling(agent, self._settings, partial(self._soon, agent)) as self._fleet,
        ):
            watcher.notice = self._fleet.notice
            phase = phase_of(agent.instance, self._settings.source.interval)
            self._scheduler.add_job(
                lambda: self._tick(agent),
                IntervalTrigger(
                    seconds=int(self._settings.source.interval), start_date=EPOCH + phase
                ),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
            self._own = build_self_update(agent, watcher)
            if self._own is not None:
                with aside("agent.update"):
                    self._own.begin()
            self._beat()
            self._supervisor.ready()
            self._ready_at = time.monotonic()
            log.info("agent.started", phase_seconds=phase.total_seconds())
            # What was cut off is finished now, not three minutes from now.
            if not self._just_ticked:
                self._tick(agent)
            self._scheduler.start()
        if self.afresh:
            # What comes from here on is kept by the kernel for the next beginning.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            self.afresh = not self._stopping
        if not self.afresh:
            self._supervisor.stopping()
            log.info("agent.stopped")

    def _beat(self) -> None:
        """Says between ticks that it only waits; in one thread with them, none can hide a hang."""
        patience = self._supervisor.watchdog_seconds
        if patience is not None:
            pause = IntervalTrigger(seconds=max(int(patience / 3), 1))
            self._scheduler.add_job(self._supervisor.alive, pause, misfire_grace_time=None)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._end_schedule()

    def _started(self, _event: SchedulerEvent) -> None:
        # A signal may come at any moment, and so before there was a schedule to end.
        if self._stopping or self.afresh or self._makes_way:
            self._end_schedule()

    def _end_schedule(self) -> None:
        # Not from here: neither a signal handler nor a tick must wait for the present tick.
        threading.Thread(target=self._shut_down).start()

    def _shut_down(self) -> None:
        # Not running yet: it will be ended as soon as it is. Not any more: it was ended before.
        with suppress(SchedulerNotRunningError):
            self._scheduler.shutdown()

    def _tick(self, agent: Agent) -> None:
        if self._own is not None and self._own.on_trial:
            self._prove(agent, self._own)
            return
        if time.monotonic() < self._not_before:
            return
        ended = self._act(agent, agent.engine.tick)
        if self._own is not None and ended is _Ended.WELL and agent.is_at_rest:
            self._renew(agent, self._own)
        if _HEAVY in sys.modules and agent.is_at_rest and not self._makes_way:
            self.afresh = True
            self._end_schedule()

    def _prove(self, agent: Agent, own: SelfUpdate) -> None:
        """On trial it only polls: what it began could be cut off when it is put back."""
        ended = self._act(agent, agent.engine.look)
        seconds = time.monotonic() - self._ready_at
        proved = ended is _Ended.WELL and self._fleet.can_report()
        match verdict(seconds, polled=proved, blameless=ended is _Ended.LATER):
            case Verdict.BLESS:
                with aside("agent.update"):
                    own.bless()
            case Verdict.STEP_BACK:
                with aside("agent.update"):
                    own.step_back()
                self._make_way()
                return
            case Verdict.WAIT:
                pass
        again = DateTrigger(agent.now() + (_PROVES_AGAIN if own.on_trial else timedelta()))
        self._scheduler.add_job(lambda: self._tick(agent), again, misfire_grace_time=None)

    def _renew(self, agent: Agent, own: SelfUpdate) -> None:
        """Makes way for another version of the agent, if there is one to make way for."""
        makes_way = own.is_superseded
        if not makes_way and own.is_due:
            with aside("agent.update"), agent.lock_unless_awaited():
                makes_way = own.change()
        if makes_way:
            self._make_way()

    def _make_way(self) -> None:
        self._makes_way = True
        self._end_schedule()

    def _soon(self, agent: Agent) -> None:
        """Somebody says that there is something new: that is looked at as at every tick."""
        due = DateTrigger(agent.now())
        self._scheduler.add_job(lambda: self._hinted(agent), due, misfire_grace_time=None)

    def _hinted(self, agent: Agent) -> None:
        # On trial it polls often enough.
        if self._own is None or not self._own.on_trial:
            self._tick(agent)

    def _act(self, agent: Agent, act: Callable[[], object]) -> _Ended:
        ended = _Ended.BADLY
        try:
            with agent.lock_unless_awaited():
                act()
            self._supervisor.status(agent.summary())
            ended = _Ended.WELL
        except RetryLater as error:
            ended = _Ended.LATER
            self._wait_for(error)
            self._supervisor.status(agent.with_condition(f"waiting: {error.message}"))
            log.warning("tick.postponed", code=error.code, why=error.message)
        except AgentError as error:
            self._supervisor.status(agent.with_condition(f"needs you: {error.message}"))
            log.error("tick.failed", code=error.code, why=error.message, advice=error.advice)
        except Exception:  # a fault of ours in one tick must not end all ticks
            log.exception("tick.bug")
            self._supervisor.status("a fault of the agent; see its log")
        self._supervisor.alive()
        self._fleet.notice()
        # Whatever came in between: what is under way must not be forgotten over a dead source.
        seconds = agent.goes_on_after
        if seconds is not None and not self._look_is_due:
            self._go_on_after(seconds, agent)
        return ended

    def _go_on_after(self, seconds: float, agent: Agent) -> None:
        """What is watched or pauses is gone on with; meanwhile polls go on, and people may act."""
        self._look_is_due = True
        # Without an id: a job that ends takes with it whichever now has the id that it had.
        self._scheduler.add_job(
            lambda: self._look(agent),
            DateTrigger(agent.now() + timedelta(seconds=seconds)),
            misfire_grace_time=None,
        )

    def _look(self, agent: Agent) -> None:
        self._look_is_due = False
        self._act(agent, agent.engine.finish)

    def _wait_for(self, error: RetryLater) -> None:
        """The other side asked us to come back later than the next tick.

        By the clock that is never set: the other one may have been ten years off just now.
        """
        if error.after:
            self._not_before = time.monotonic() + error.after
