"""The tree of verbs of `koprogo-release`."""

from __future__ import annotations

from typing import Annotated

import typer

from koprogo_agent import __version__
from koprogo_agent.cli.release import ceremony, cut, fresh, look

PROGRAM = "koprogo-release"

app = typer.Typer(
    help="Cuts, signs and publishes releases, and says who may. Run it in a clone of the product.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (
    ceremony.init,
    ceremony.rotate,
    cut.prepare,
    cut.sign,
    cut.cosign,
    cut.publish,
    look.verify,
    look.status,
    fresh.freshness,
    fresh.hold,
    fresh.release_hold,
    fresh.yank,
    fresh.rollout,
):
    app.command()(verb)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass
