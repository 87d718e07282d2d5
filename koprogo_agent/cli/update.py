"""`koprogo-agent update` and `rollback`: operations that are carried out at once, and watched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from koprogo_agent.cli import outcome, render
from koprogo_agent.cli.leaving import between_steps
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.progress import watching
from koprogo_agent.cli.session import acting
from koprogo_agent.update.requests import Requests
from koprogo_agent.update.runner import Ran

Wish = Callable[[Requests], Ran | None]
Tag = Annotated[
    str | None, typer.Argument(help="The release, if not the newest one.", show_default=False)
]

AlthoughStale = Annotated[
    bool,
    typer.Option(
        "--although-stale",
        help="Also while nobody vouches that it is the newest; it must be signed all the same.",
    ),
]


def update(
    tag: Tag = None,
    although_stale: AlthoughStale = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Install the newest release that may be installed, or the one that is named."""

    def wish(requests: Requests) -> Ran | None:
        return replace(requests, although_stale=although_stale).update(tag)

    carry_out(wish, config, as_json=as_json)


def rollback(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Put the last good release back; the one that is left is not installed again."""
    carry_out(Requests.rollback, config, as_json=as_json)


def carry_out(wish: Wish, config: Path | None, *, as_json: bool) -> None:
    """Carries out what the operator wishes, shows it step by step, and leaves with its code."""
    with (
        watching(silent=as_json) as progress,
        between_steps(progress) as leaving,
        acting(config, progress, leaving.now) as agent,
    ):
        ran = wish(Requests(agent.engine))
        installed, held = agent.engine.journal.installed, agent.engine.standing.held
    tag = installed.tag if installed else None
    if ran is None:
        if as_json:
            render.as_json(outcome.nothing(tag))
        else:
            render.line(f"nothing to do: {tag or 'nothing'} is the newest that may be installed")
            render.line("  what is offered and why it waits: koprogo-agent why", "dim")
        return
    account = outcome.Account(ran, progress.done, held)
    if as_json:
        render.as_json(account.document())
    else:
        account.tell()
    raise typer.Exit(account.code)
