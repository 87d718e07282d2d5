"""How a simulation is shown: while it goes on, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from time import monotonic

from rich.progress import BarColumn, Progress, TextColumn

from koprogo_agent import logs
from koprogo_agent.cli import render
from koprogo_agent.domain.duration import span
from koprogo_agent.fleet.simulation.course import Stand
from koprogo_agent.fleet.simulation.plan import Plan
from koprogo_agent.fleet.simulation.tally import Spread, Summary

log = logs.get_logger()

_EVERY = 10.0
"""Seconds from one line to the next, where nobody sits at a terminal."""
_NOT_YET = "not yet"


@contextmanager
def shown(plan: Plan) -> Iterator[Callable[[Stand], None]]:
    """What to call with how it goes: a bar on a terminal, lines of the log elsewhere."""
    console = render.console(stderr=True)
    if not console.is_terminal:
        yield _Lines().tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("making keys", total=plan.minutes, said="")

        def tell(stand: Stand) -> None:
            minute = stand.minute or 0.0
            what = "beginning" if stand.minute is None else f"minute {minute:.1f}"
            progress.update(bar, completed=minute, description=what, said=_said(stand, plan))

        yield tell


def _said(stand: Stand, plan: Plan) -> str:
    parts = [f"{stand.known} of {plan.instances} known", f"{stand.taken} reports"]
    if stand.refused:
        parts.append(f"{stand.refused} refused")
    if plan.release:
        parts.append(f"{stand.installed} have {plan.release}")
    return ", ".join(parts)


class _Lines:
    def __init__(self) -> None:
        self._next = 0.0

    def tell(self, stand: Stand) -> None:
        """A line, unless the last one was just now."""
        if monotonic() >= self._next:
            self._next = monotonic() + _EVERY
            log.info("simulation.goes_on", **stand._asdict())


def rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """What came of it, as names and what is to be said of each."""
    yield "lasted", span(summary.seconds)
    yield "instances", str(summary.instances)
    yield "reports sent", str(summary.sent)
    yield "  taken", str(summary.taken)
    for code, count in sorted(summary.refused.items()):
        yield f"  {code}", str(count)
    answers, late, source = summary.reports, summary.delays, summary.source
    yield "answers of the server", f"p50 {_milli(answers.p50)}, p99 {_milli(answers.p99)}"
    yield "sent later than due", f"p50 {_milli(late.p50)}, p99 {_milli(late.p99)}"
    yield (
        "requests/s at the source",
        f"mean {source.mean:.1f}, peak {source.peak}: {source.ratio:.2f} x",
    )
    if summary.installed is not None:
        yield "have the release", f"{summary.installed} of {summary.instances}"
    if summary.patched is not None:
        yield "tag to installed", _spread(summary.patched)
    if summary.known is not None:
        yield "tag to known by the server", _spread(summary.known)


def document(summary: Summary) -> dict[str, object]:
    """The same for programs: durations are seconds, null is not yet."""
    told = asdict(summary)
    told["source"]["ratio"] = summary.source.ratio
    return told


def _spread(spread: Spread) -> str:
    each = {"p50": spread.p50, "p90": spread.p90, "p99": spread.p99, "last": spread.last}
    return ", ".join(f"{name} {_span(value)}" for name, value in each.items())


def _span(seconds: float | None) -> str:
    return _NOT_YET if seconds is None else span(seconds)


def _milli(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
