"""Who watches an operation that the daemon carries out: the log, and systemd."""

from __future__ import annotations

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
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.last: Action | None = None

    def begins(self, action: Action, tag: str) -> None:
        """Shows the step in `systemctl status`."""
        self._supervisor.status(f"{tag}: {action}")
        self._supervisor.alive()
        log.info("step.begins", step=str(action), tag=tag)

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


def _brief(facts: Facts) -> dict[str, object]:
    return {name: value for name, value in facts.items() if isinstance(value, int | float | str)}
