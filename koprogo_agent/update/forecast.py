"""What a plan is expected to cost its users, from what was measured on this very machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from koprogo_agent.domain.hold import Hold, Way
from koprogo_agent.domain.plan import Plan, Step
from koprogo_agent.update.journal import PastOperation

_POINT_BYTES_PER_SECOND = 1e9
"""PostgreSQL copies a database inside itself at about this rate on an SSD (DESIGN, section 4)."""
_STOPPING = 2.0
"""Seconds to stop ingress and writers, and to start the ingress again."""
_DRAINING = 0.5
"""Seconds for the last answers of the old version, and to stop it."""


_NONE = "no request waits"


@dataclass(frozen=True)
class Share:
    """A part of the time for which users wait.

    Attributes:
        seconds: how long, or None where nothing was measured yet.
        basis: where the figure comes from.
    """

    what: str
    seconds: float | None
    basis: str


@dataclass(frozen=True)
class Forecast:
    """The time for which users are expected to wait, in its parts."""

    shares: tuple[Share, ...]

    @property
    def seconds(self) -> float | None:
        """The sum, or None where a part is not known."""
        known = [share.seconds for share in self.shares if share.seconds is not None]
        return sum(known) if len(known) == len(self.shares) else None


def forecast(
    plan: Plan, hold: Hold, past: Sequence[PastOperation], database: int | None, settling: float
) -> Forecast:
    """Forecasts a plan.

    Args:
        plan: what is to be done.
        hold: how users are kept from noticing it.
        past: what was done here, newest first.
        database: bytes of the database, or None where it does not answer.
        settling: seconds for which the gate wants to see the stack healthy.
    """
    match hold.way:
        case Way.BESIDE:
            return Forecast((Share("the new version serves beside the old one", 0, _NONE),))
        case Way.IN_USE:
            return Forecast((Share("nothing that users reach is exchanged", 0, _NONE),))
        case Way.AWAY:
            return Forecast((_last("the services are exchanged", past, Step.SWITCH, "seconds"),))
        case Way.CLOSED:
            stopping = Share("ingress and writers stop and start", _STOPPING, "as a rule")
        case _:
            stopping = Share("the old version answers its last requests", _DRAINING, "as a rule")
    return Forecast((stopping, *_waiting(plan, past, database, settling)))


def _waiting(
    plan: Plan, past: Sequence[PastOperation], database: int | None, settling: float
) -> Iterator[Share]:
    if Step.POINT in plan.steps:
        size = database if database is not None else _newest(past, Step.BUDGET, "database")[0]
        seconds = size / _POINT_BYTES_PER_SECOND if size is not None else None
        yield Share("the rollback point is made", seconds, "about 1 GB/s")
    if Step.MIGRATE in plan.steps:
        yield _last("the migration runs", past, Step.REHEARSE, "migrate_seconds")
    yield _last("the new version starts", past, Step.REHEARSE, "start_seconds")
    yield Share(
        "the gate sees it healthy for long enough", settling, "gate.samples x closed_interval"
    )


def _last(what: str, past: Sequence[PastOperation], step: Step, fact: str) -> Share:
    seconds, tag = _newest(past, step, fact)
    basis = f"as measured with {tag}" if tag else "never measured here"
    return Share(what, seconds, basis)


def _newest(past: Sequence[PastOperation], step: Step, fact: str) -> tuple[float | None, str]:
    for one in past:
        value = one.operation.fact(step, fact)
        if value is not None:
            return float(value), one.operation.tag
    return None, ""
