"""`koprogo-agent report`: see, send and take back what the association hears of this instance."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from koprogo_agent.cli import render
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.cli.session import speaking
from koprogo_agent.errors import NeedsOperator, RetryLater
from koprogo_agent.settings import Settings
from koprogo_agent.wire.answer import Answer, Rejection
from koprogo_agent.wire.report import encode
from koprogo_agent.wiring import build_teller

app = typer.Typer(help="What the association hears of this instance.", no_args_is_help=True)

Signed = Annotated[
    bool, typer.Option("--signed", help="With the header fields that sign it, as it is sent.")
]


@app.command()
def show(config: ConfigPath = None, signed: Signed = False) -> None:
    """Print the report that would be sent now, byte for byte; nothing is sent."""
    with speaking(config) as agent:
        teller, settings = build_teller(agent.settings), agent.settings
        body = encode(teller.compose(agent.snapshot()))
        fields = teller.fleet.signature(body) if signed else {}
    if not settings.fleet.reports:
        typer.echo("reporting is off; this is what the association would hear:", err=True)
    for name, value in fields.items():
        sys.stdout.write(f"{name}: {value}\n")
    sys.stdout.write(f"{body.decode()}\n")


@app.command()
def send(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Send a report now, and show what the fleet server says."""
    with speaking(config) as agent:
        _require_on(agent.settings)
        teller, snapshot = build_teller(agent.settings), agent.snapshot()
        teller.outbox.note(snapshot, teller.agent)
        said = teller.tell(snapshot, datetime.now(UTC))
    if isinstance(said, Rejection):
        raise _rejected(said)
    if as_json:
        render.as_json(asdict(said))
    else:
        render.line(_taken(said), "bold green")


@app.command()
def forget(config: ConfigPath = None) -> None:
    """Have the fleet server erase all that it keeps of this instance."""
    with speaking(config) as agent:
        _require_off(agent.settings)
        rejection = build_teller(agent.settings).forget()
    if rejection is not None:
        raise _rejected(rejection)
    render.line("the fleet server keeps nothing of this instance any more", "bold green")


def _taken(answer: Answer) -> str:
    notice = f"; it says: {answer.notice}" if answer.notice else ""
    return (
        f"the fleet server has taken the report, and wants the next in {answer.interval} s{notice}"
    )


def _require_on(settings: Settings) -> None:
    if not settings.fleet.reports:
        raise NeedsOperator("reporting is off", code="report.off", advice=_advice("true"))


def _require_off(settings: Settings) -> None:
    if settings.fleet.reports:
        raise NeedsOperator("reporting is on", code="report.on", advice=_advice("false"))


def _advice(value: str) -> str:
    return (
        f"set reports = {value} below [fleet], type systemctl restart koprogo-agent,"
        " and then this again"
    )


def _rejected(rejection: Rejection) -> RetryLater:
    return RetryLater(
        f"the fleet server did not do it: {rejection.message}", code=f"fleet.{rejection.code}"
    )
