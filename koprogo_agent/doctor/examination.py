"""All checks, one after the other: that one cannot be made is a finding, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from koprogo_agent.doctor import (
    agent,
    hold,
    itself,
    machine,
    network,
    registry,
    source,
    stack,
    updaters,
)
from koprogo_agent.doctor.finding import Check, Finding, Level, Patient, fault
from koprogo_agent.errors import AgentError

HERE: tuple[Check, ...] = (
    machine.configuration,
    machine.folders,
    source.trust,
    source.programs,
    machine.engine,
    network.engine_proxy,
    machine.compose,
    machine.disk,
    stack.variables,
    stack.services,
    stack.host,
    stack.database,
    stack.health,
    stack.condition,
    hold.routes,
    hold.beside,
    hold.ingress_memory,
    updaters.updaters,
    itself.itself,
    itself.units,
    agent.journal,
    agent.restores,
    agent.reports,
    agent.lock,
)
"""What is looked at on this machine, however the network is."""

# A wrong clock makes certificates and keys look wrong: it is told before what follows from it.
CHECKS: tuple[Check, ...] = (
    machine.clock,
    network.proxy,
    source.source,
    registry.image_tags,
    hold.waiting_room,
    *HERE,
)


def examine(
    patient: Patient, tell: Callable[[str], None], checks: Sequence[Check] = CHECKS
) -> list[Finding]:
    """What is found, worst first.

    Args:
        patient: the machine.
        tell: told the name of each check before it is made.
        checks: those that are made.
    """
    found = [finding for check in checks for finding in _made(check, patient, tell)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level)


def _made(check: Check, patient: Patient, tell: Callable[[str], None]) -> Iterator[Finding]:
    name = check.__name__
    tell(name)
    try:
        yield from check(patient)
    except AgentError as error:
        yield fault(name, error.message, error.advice)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        said = f"cannot be looked at: {error.strerror}{where}"
        yield fault(name, said, "type it again as root: sudo koprogo-agent doctor")


def is_well(found: list[Finding]) -> bool:
    """Whether the agent can work: warnings are allowed."""
    return all(finding.level is not Level.FAULT for finding in found)
