"""What an instance has yet to tell, and when it speaks next."""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from koprogo_agent.pace import Pace
from koprogo_agent.wire.report import Transition


@dataclass(slots=True)
class Outbox:
    """As an agent keeps it on its disk. Moments are seconds since 1970.

    Attributes:
        sequence: number of the last report; the agent begins with the time.
        told: number of the last transition, likewise.
        pace: of the reports.
        due: when the next one is; infinite: none is.
        run: of the agent. It is drawn as the real one's is and not from the seed: to the server
            a run that comes back is another machine with the same key.
        waiting: what is not acknowledged, oldest first.
        has_news: whether there is something to tell at once.
        is_busy: whether a report is on its way.
        is_known: whether the server has ever taken one.
        hinted: the release that the server spoke of last, or None.
    """

    sequence: int
    told: int
    pace: Pace
    due: float = math.inf
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    waiting: list[Transition] = field(default_factory=list)
    has_news: bool = False
    is_busy: bool = False
    is_known: bool = False
    hinted: str | None = None

    @property
    def may_speak(self) -> bool:
        """Whether there are news, and the server is well enough to be pressed by them."""
        return self.has_news and not self.is_busy and not self.pace.failures

    def note(self, transition: Transition) -> None:
        """Something has changed; its number is given here."""
        self.told += 1
        self.waiting.append(replace(transition, number=self.told))
        self.has_news = True

    def next_sequence(self) -> int:
        """A number that no report has had; the news go with it."""
        self.has_news = False
        self.sequence += 1
        return self.sequence

    def acknowledge(self, numbers: Collection[int]) -> list[Transition]:
        """The server keeps these for good; gives those that were waiting."""
        kept = [one for one in self.waiting if one.number in numbers]
        self.waiting = [one for one in self.waiting if one.number not in numbers]
        return kept

    def begin_run(self) -> None:
        """The agent starts again, and tells so at once."""
        self.run = secrets.token_hex(8)
        self.pace = Pace(self.pace.interval)
