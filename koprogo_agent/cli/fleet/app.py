"""The tree of verbs of `koprogo-fleet`."""

from __future__ import annotations

from typing import Annotated

import typer

from koprogo_agent import __version__
from koprogo_agent.cli.fleet import serving

PROGRAM = "koprogo-fleet"

app = typer.Typer(
    help="Takes the reports of instances, and shows the association its fleet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (serving.serve, serving.migrate, serving.token, serving.user, serving.erase):
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
