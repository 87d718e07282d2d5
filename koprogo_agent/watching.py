"""Who watches an operation that the daemon carries out: the log, and systemd."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure
from koprogo_agent.ports import Supervisor
from koprogo_agent.update.operation import Facts

log = structlog.get_logger()


class DaemonWatcher:
    """Tells the log and systemd how an operation goes on; every word of it is real progress.

    Attributes:
        last: the action that was carried out last.
        notice: called when an action begins: whoever reports may want to know.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.last: Action | None = None
        self.notice: Callable[[], None] = _nobody

    def begins(self, action: Action, tag: str) -> None:
        """Shows the step in `systemctl status`."""
        self._supervisor.status(f"{tag}: {action}")
        self._supervisor.alive()
        log.info("step.begins", step=str(action), tag=tag)
        self.notice()

    def goes_on(self, note: str, done: int, total: int) -> None:
        """Feeds the watchdog."""
        self._supervisor.alive()
        log.debug("step.goes_on", note=note, done=done, total=total)

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """Logs what the step learned."""
        self.last = action
        self._supervisor.alive()
        # Facts may name seconds of their own; those of the whole step are the ones to read here.
        told = {**_brief(facts), "step": str(action), "seconds": round(seconds, 2)}
        log.info("step.done", **told)

    def broke(self, action: Action, failure: Failure) -> None:
        """Logs why the step failed."""
        self._supervisor.alive()
        log.error("step.failed", step=str(action), code=failure.code, why=failure.message)


def _nobody() -> None:
    """Nobody wants to know."""


def _brief(facts: Facts) -> dict[str, object]:
    return {name: value for name, value in facts.items() if isinstance(value, int | float | str)}
