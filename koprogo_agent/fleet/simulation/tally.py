"""What came of it, in numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from koprogo_agent.fleet.simulation.agent import Agent
from koprogo_agent.fleet.simulation.source import Source

UNREACHABLE = "fleet.unreachable"
"""What counts as a refusal where no answer came at all."""


@dataclass
class Tally:
    """What is counted meanwhile.

    Attributes:
        sent: reports.
        taken: of these.
        refused: the others: code -> how many.
        waits: seconds to each answer, from the first byte sent.
        delays: seconds by which each report left later than it was due: what the simulation itself
            could not do in time.
    """

    sent: int = 0
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    waits: array[float] = field(default_factory=lambda: array("f"))
    delays: array[float] = field(default_factory=lambda: array("f"))


@dataclass(frozen=True)
class Spread:
    """How some durations are spread, in seconds; None: for those it is not over yet.

    Attributes:
        p50: half of them are within.
        p90: nine of ten.
        p99: 99 of 100.
        last: all.
    """

    p50: float | None
    p90: float | None
    p99: float | None
    last: float | None

    @classmethod
    def of(cls, durations: Iterable[float], everybody: int) -> Spread:
        """Of so many instances or reports, whether or not each has a duration."""
        known = sorted(durations)

        def within(hundredths: int) -> float | None:
            # The smallest duration that so many do not exceed.
            index = max(-(-everybody * hundredths // 100) - 1, 0)
            return known[index] if index < len(known) else None

        return cls(within(50), within(90), within(99), within(100))


@dataclass(frozen=True)
class Load:
    """Requests a second at the source.

    Attributes:
        mean: over all whole seconds.
        peak: in the busiest one.
    """

    mean: float
    peak: int

    @property
    def ratio(self) -> float:
        """The peak as a multiple of the mean."""
        return self.peak / self.mean if self.mean else 0.0


@dataclass(frozen=True)
class Summary:
    """What came of a simulation.

    Attributes:
        seconds: from minute 0 to its end.
        instances: how many.
        sent: reports.
        taken: of these.
        refused: the others: code -> how many.
        reports: answers of the server, as durations.
        delays: of the simulation itself.
        source: requests a second there.
        installed: instances that have the release, or None where there is none.
        patched: from the release's publication until an instance has it; None where there is none.
        known: the same, until the server has kept that for good.
    """

    seconds: float
    instances: int
    sent: int
    taken: int
    refused: dict[str, int]
    reports: Spread
    delays: Spread
    source: Load
    installed: int | None = None
    patched: Spread | None = None
    known: Spread | None = None


def summary(tally: Tally, source: Source, agents: Sequence[Agent], span: range) -> Summary:
    """Sums up what happened within whole seconds since 1970."""
    visits = [source.visits[second] for second in span]
    has_release = source.release is not None
    installed = [one.installed_at for one in agents]
    return Summary(
        seconds=len(span),
        instances=len(agents),
        sent=tally.sent,
        taken=tally.taken,
        refused=dict(tally.refused),
        reports=Spread.of(tally.waits, len(tally.waits)),
        delays=Spread.of(tally.delays, len(tally.delays)),
        source=Load(sum(visits) / max(len(visits), 1), max(visits, default=0)),
        installed=sum(one is not None for one in installed) if has_release else None,
        patched=_since(source, installed) if has_release else None,
        known=_since(source, [one.known_at for one in agents]) if has_release else None,
    )


def _since(source: Source, moments: Sequence[float | None]) -> Spread:
    durations = (one - source.published for one in moments if one is not None)
    return Spread.of(durations, len(moments))
