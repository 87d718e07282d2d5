"""`koprogo-agent hold`, `resume` and `retry`: words to the agent that are written down at once."""

from __future__ import annotations

from typing import Annotated

import typer

from koprogo_agent.cli import render
from koprogo_agent.cli.options import ConfigPath
from koprogo_agent.cli.session import speaking
from koprogo_agent.update.requests import Requests

Reason = Annotated[str, typer.Argument(help="Why, for whoever asks later.")]
Tag = Annotated[str, typer.Argument(help="The release, such as v1.2.0.", show_default=False)]


def hold(reason: Reason = "the operator asked for it", config: ConfigPath = None) -> None:
    """Change nothing until `resume`; the agent goes on polling and reporting."""
    with speaking(config) as agent:
        Requests(agent.engine).hold(reason)
        live = agent.engine.journal.live()
    render.line("nothing is changed from now on; to let it go on: koprogo-agent resume")
    if live:
        render.line(f"  the {live.kind} of {live.tag}, which is under way, is brought to its end")


def resume(config: ConfigPath = None) -> None:
    """Let the agent go on after `hold`, or after it has stopped itself."""
    with speaking(config) as agent:
        was_held = Requests(agent.engine).resume()
    if was_held:
        render.line("the agent goes on; at once: koprogo-agent update")
    else:
        render.line("it was not held; nothing has changed")


def retry(tag: Tag, config: ConfigPath = None) -> None:
    """Allow a release that failed here to be tried again."""
    with speaking(config) as agent:
        Requests(agent.engine).retry(tag)
    render.line(f"{tag} may be tried again; at once: koprogo-agent update {tag}")
