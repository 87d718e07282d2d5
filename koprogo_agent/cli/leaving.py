"""Ctrl-C and SIGTERM while an operation goes on: it is left between steps, with users served."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from koprogo_agent.cli.progress import Progress
from koprogo_agent.update.leaving import may_leave

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Leaving:
    """Knows whether somebody asked to stop, and whether this is the moment."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.asked = False

    def now(self) -> bool:
        """Whether to stop before the next step."""
        return self.asked and may_leave(self._progress.last)

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """The signal's handler."""
        present = self._progress.present or self._progress.last
        if present is None:
            # Nothing has begun: there is nothing to be careful with.
            raise KeyboardInterrupt
        if not self.asked:
            self.asked = True
            when = "after this step" if may_leave(present) else "once users are served again"
            self._progress.say(f"  stopping {when}; the agent will go on from there", "yellow")


@contextmanager
def between_steps(progress: Progress) -> Iterator[Leaving]:
    """Turns signals into a wish to leave."""
    leaving = Leaving(progress)
    before = {number: signal.signal(number, leaving.ask) for number in _SIGNALS}
    try:
        yield leaving
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
