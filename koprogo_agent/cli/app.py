"""The tree of verbs."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from koprogo_agent import __version__, places
from koprogo_agent.cli import (
    backup,
    config,
    demo,
    doctor,
    hold,
    look,
    offers,
    plan,
    report,
    tryout,
    update,
    why,
)
from koprogo_agent.cli.options import ConfigPath

app = typer.Typer(
    help="Keeps a self-hosted KoproGo current and safe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(config: ConfigPath = None) -> None:
    """Keep this instance current, for ever; systemd starts this."""
    # `main` knows a leaner way, which does not come by here.
    from koprogo_agent.cli.run import run as run_daemon  # noqa: PLC0415 - heavy

    run_daemon(config)


for verb in (
    look.status,
    why.why,
    look.history,
    offers.check,
    offers.verify,
    plan.plan,
    update.update,
    update.rollback,
    hold.hold,
    hold.resume,
    hold.retry,
    doctor.doctor,
    demo.demo,
):
    app.command()(verb)
app.command("try", hidden=True)(tryout.try_out)
app.add_typer(backup.app, name="backup")
app.add_typer(report.app, name="report")
app.add_typer(config.app, name="config")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"koprogo-agent {__version__}")
        raise typer.Exit


def _turn_to(instance: str | None) -> None:
    """Every verb, and what it starts, reads that instance's configuration; `--config` wins."""
    if instance is not None:
        os.environ[places.VARIABLE] = str(places.configuration_of(instance))


@app.callback()
def _global_options(
    _instance: Annotated[
        str | None,
        typer.Option(
            "--instance",
            metavar="NAME",
            callback=_turn_to,
            help="Of several stacks on this machine, the one of this name.",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass
