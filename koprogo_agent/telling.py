"""What the fleet hears while the daemon runs. Nothing of it may keep KoproGo from its updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from koprogo_agent.errors import AgentError, NeedsOperator
from koprogo_agent.settings import Settings
from koprogo_agent.wiring import Agent, build_reporter

if TYPE_CHECKING:
    from koprogo_agent.reporting.reporter import Reporter

log = structlog.get_logger()


class Silence:
    """Nobody hears anything: the operator did not choose it."""

    def notice(self) -> None:
        """Something may have changed."""

    def can_report(self) -> bool:
        """Whether this version can make a report, where any are made."""
        return True


class Telling(Silence):
    """The fleet hears how it stands."""

    def __init__(self, agent: Agent, reporter: Reporter) -> None:
        self._agent = agent
        self._reporter = reporter

    def notice(self) -> None:
        """Something may have changed."""
        with aside("report"):
            self._reporter.notice(self._agent.snapshot())

    def can_report(self) -> bool:
        """Whether this version can make a report.

        Not whether the server takes it: what is wrong there is no version's fault.
        """
        try:
            self._reporter.rehearse(self._agent.snapshot())
        except NeedsOperator as error:
            log.warning("report.postponed", code=error.code, why=error.message)
        except Exception:  # whatever it is, the version before could
            log.exception("report.bug")
            return False
        return True


@contextmanager
def telling(agent: Agent, settings: Settings, poll: Callable[[], None]) -> Iterator[Silence]:
    """Meanwhile the fleet hears of this instance, if the operator wants it to.

    Args:
        agent: the instance.
        settings: the operator's.
        poll: what to do when the fleet knows of something newer.
    """
    reporter = build_reporter(settings, poll)
    if reporter is None:
        yield Silence()
        return
    with aside("report"):
        reporter.start()
    try:
        yield Telling(agent, reporter)
    finally:
        reporter.stop()


@contextmanager
def aside(what: str) -> Iterator[None]:
    """What goes wrong in here is logged, and nothing else."""
    postponed, bug = f"{what}.postponed", f"{what}.bug"
    try:
        yield
    except AgentError as error:
        log.warning(postponed, code=error.code, why=error.message)
    except Exception:  # as for a tick
        log.exception(bug)
