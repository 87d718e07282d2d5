"""`koprogo-agent doctor`: what stands in the agent's way on this machine, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from koprogo_agent import places
from koprogo_agent.cli import log, render
from koprogo_agent.cli.begin import begin
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.options import AsJson, ConfigPath
from koprogo_agent.doctor.examination import examine, is_well
from koprogo_agent.doctor.finding import Finding, Level, Patient
from koprogo_agent.settings import Settings
from koprogo_agent.wiring import JOURNAL, build_world, engine_host

_MARKS = {Level.FAULT: ("✗", "bold red"), Level.WARNING: ("!", "yellow"), Level.GOOD: ("✓", "")}
_NAME = 14


def doctor(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Check all that the agent needs on this machine, and say what to do about each fault."""
    found = _examine(config)
    if as_json:
        render.as_json(
            {
                "well": is_well(found),
                "findings": [
                    {
                        "level": one.level.name.lower(),
                        "what": one.what,
                        "found": one.found,
                        "advice": one.advice or None,
                    }
                    for one in found
                ],
            }
        )
    else:
        _tell(found)
    if not is_well(found):
        raise typer.Exit(Exit.OPERATOR)


def patient_of(config: Path | None, settings: Settings) -> Patient:
    """This machine, as it is examined."""
    world = build_world(settings)
    return Patient(
        settings=settings,
        config=places.locate(config),
        journal=settings.state.directory / JOURNAL,
        world=world,
        host=engine_host(settings),
        now=world.clock.now(),
    )


def _examine(config: Path | None) -> list[Finding]:
    settings = begin(config)
    log.configure(settings)
    patient = patient_of(config, settings)
    console = render.console(stderr=True)
    with console.status("looking") as status:
        return examine(patient, lambda name: status.update(f"looking at: {name}"))


def _tell(found: Sequence[Finding]) -> None:
    for one in found:
        mark, style = _MARKS[one.level]
        render.line(f"  {mark} {one.what:<{_NAME}} {one.found}", style)
        if one.advice:
            render.line(f"    {'':<{_NAME}} → {one.advice}")
    faults = sum(one.level is Level.FAULT for one in found)
    warnings = sum(one.level is Level.WARNING for one in found)
    if faults:
        render.line(f"{faults} to be mended before the agent can work", "bold red")
    elif warnings:
        render.line(f"the agent can work; {warnings} to be looked at", "bold yellow")
    else:
        render.line("all is well", "bold green")
