"""The tree of verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from koprogo_agent import __version__
from koprogo_agent.cli import config

app = typer.Typer(
    help="Keeps a self-hosted KoproGo current and safe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(config.app, name="config")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"koprogo-agent {__version__}")
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
