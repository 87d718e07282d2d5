"""What is to be simulated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.fleet.settings import FleetSettings

TICK = 180
"""Seconds from one poll of an agent to the next, as agents are shipped."""
_SOAK = 300.0
"""Seconds for which an agent watches what it has installed, as agents are shipped."""
_ADDRESS = re.compile(r"https?://[^\s/?#@]+")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be simulated.

    Attributes:
        instances: how many.
        url: the server's public address, as instances sign it.
        minutes: how long.
        before: tag of what runs at the beginning.
        release: tag that is published meanwhile, or None.
        at: minute at which it is.
        failing: share of the instances on which it does not work.
        waiting: share whose operators have it wait.
        silent: share that falls silent.
        tick: seconds from one poll to the next. Whatever else an instance does takes as much less
            time than it really does as this is less than `TICK`.
        update: seconds that an update takes in the middle, at a tick of `TICK`.
        seed: of all that is left to chance; instances of the same seed have the same keys.
        warm: whether all are known to the server before minute 0.
    """

    instances: int
    url: str
    minutes: float
    before: str
    release: str | None = None
    at: float = 0.0
    failing: float = 0.0
    waiting: float = 0.0
    silent: float = 0.0
    tick: int = TICK
    update: float = 45.0
    seed: int = 0
    warm: bool = False

    def __post_init__(self) -> None:
        """Checks what the types do not say.

        Raises:
            NeedsOperator: this cannot be simulated (code `config.simulation`).
            Refused: it must not be (code `simulation.real_fleet`), or a tag is none.
        """
        _check_address(self.url)
        before = parse_tag(self.before)
        if self.failing + self.waiting > 1:
            raise _wrong("more than all instances fail or wait", "lower --failing or --waiting")
        if self.release is None:
            return
        if parse_tag(self.release) <= before:
            raise _wrong(f"{self.release} is not newer than {self.before}", "see --from")
        if not 0 <= self.at < self.minutes:
            raise _wrong("the release is not within the minutes", "see --at and --minutes")

    @property
    def soak(self) -> float:
        """Seconds for which an instance watches what it has installed."""
        return self.real(_SOAK)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.minutes * 60

    def real(self, seconds: float) -> float:
        """How long something takes here that takes so many seconds at a tick of `TICK`."""
        return seconds * self.tick / TICK


def _check_address(url: str) -> None:
    if not _ADDRESS.fullmatch(url):
        raise _wrong(f"{url[:100]!r} is no server's address", "type --url http://127.0.0.1:8420")
    real = urlsplit(FleetSettings.model_fields["public_url"].default).hostname
    if (urlsplit(url).hostname or "").rstrip(".") == real:
        raise Refused(
            f"{real} counts real instances; none that are not there are sent to it",
            code="simulation.real_fleet",
            advice="start a server of your own: docs/fleet.md",
        )


def _wrong(message: str, advice: str) -> NeedsOperator:
    return NeedsOperator(message, code="config.simulation", advice=advice)
