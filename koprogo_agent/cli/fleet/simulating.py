"""`koprogo-fleet simulate`: a fleet that is not there, against a server of one's own."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from koprogo_agent import logs
from koprogo_agent.cli import render
from koprogo_agent.cli.fleet.simulated import document, rows, shown
from koprogo_agent.fleet.simulation.course import Course
from koprogo_agent.fleet.simulation.plan import TICK, Plan
from koprogo_agent.fleet.simulation.tally import Summary

_SHARE = "from 0 to 1"

Instances = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")]
Url = Annotated[str, typer.Option(help="The server, as its KOPROGO_FLEET_PUBLIC_URL has it.")]
Minutes = Annotated[float, typer.Option(min=0.01, help="How long.")]
From = Annotated[str, typer.Option("--from", help="Tag of what runs at the beginning.")]
Release = Annotated[str | None, typer.Option(help="Tag that is published meanwhile.")]
At = Annotated[float, typer.Option(min=0, help="Minute at which it is.")]
Failing = Annotated[
    float, typer.Option(min=0, max=1, help=f"Share on which it does not work, {_SHARE}.")
]
Waiting = Annotated[
    float, typer.Option(min=0, max=1, help=f"Share whose operators have it wait, {_SHARE}.")
]
Silent = Annotated[float, typer.Option(min=0, max=1, help=f"Share that falls silent, {_SHARE}.")]
Tick = Annotated[
    int, typer.Option(min=1, help="Seconds between polls; with fewer, all goes as much faster.")
]
Update = Annotated[float, typer.Option(min=0.1, help="Seconds of an update, in the middle.")]
Seed = Annotated[int, typer.Option(help="Of the keys, and of all that is left to chance.")]
Warm = Annotated[bool, typer.Option("--warm", help="Have the server know all before minute 0.")]
Json = Annotated[bool, typer.Option("--json", help="Print what came of it for programs.")]


def simulate(  # noqa: PLR0913 - one for each thing that may be different
    *,
    instances: Instances = 100,
    url: Url = "http://127.0.0.1:8420",
    minutes: Minutes = 15,
    before: From = "v1.0.0",
    release: Release = None,
    at: At = 2,
    failing: Failing = 0.02,
    waiting: Waiting = 0.02,
    silent: Silent = 0.02,
    tick: Tick = TICK,
    update: Update = 45,
    seed: Seed = 0,
    warm: Warm = False,
    json: Json = False,
) -> None:
    """Have instances that are not there report to a server of one's own; Ctrl-C ends it."""
    plan = Plan(
        instances=instances,
        url=url.rstrip("/"),
        minutes=minutes,
        before=before,
        release=release,
        at=at,
        failing=failing,
        waiting=waiting,
        silent=silent,
        tick=tick,
        update=update,
        seed=seed,
        warm=warm,
    )
    summary = _run(plan)
    if json:
        render.as_json(document(summary))
    else:
        render.table("", ("figure", "measured"), rows(summary))


def _run(plan: Plan) -> Summary:
    logs.configure("info")
    with shown(plan) as watch:
        return uvloop.run(Course(plan, watch).run())
