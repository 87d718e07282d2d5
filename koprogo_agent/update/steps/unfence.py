"""Unfence: the ingress opens, and the stack answers as its users ask it."""

from __future__ import annotations

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.overlay import expectation, is_made_of, override
from koprogo_agent.domain.states import Truth
from koprogo_agent.update.job import (
    PINS,
    Found,
    Job,
    laid_project,
    left_alone,
    model_of,
    previous_of,
)
from koprogo_agent.update.looking import Look, examined, gate_policy, outside, wait_until_healthy
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.steps.switch import start_again


def do(job: Job) -> Facts:
    """Opens the target to users."""
    return _open(job, job.target)


def undo(job: Job) -> Facts:
    """Opens what was there before to users again."""
    return _open(job, previous_of(job))


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Opening what is open already changes nothing: it is done again, and asked again."""
    return Found(Truth.NOT_DONE)


def _open(job: Job, deployment: Deployment) -> Facts:
    began = job.world.clock.monotonic()
    start_again(job, deployment)
    _start_ingress(job, deployment)
    expected = expectation(model_of(job, deployment))
    look = Look(
        project=job.settings.stack.project,
        expected=expected,
        outside=outside(job.settings),
        examined=examined(job.settings, expected.running),
        unchanged=left_alone(job),
    )
    wait_until_healthy(job.world, look, gate_policy(job.settings), job.watcher)
    return {"seconds": job.world.clock.monotonic() - began}


def _start_ingress(job: Job, deployment: Deployment) -> None:
    """Starts what the switch has made. A second try, or what was meddled with, is for compose."""
    stack, settings = job.world.stack, job.settings.stack
    pins = {name: pin for name, pin in deployment.pins.items() if name in settings.ingress}
    there = [one for one in stack.containers(settings.project) if one.service in pins]
    # A container that a killed compose left half made counts as well: there would be two.
    as_made = sorted(one.service for one in there) == sorted(pins) and all(
        is_made_of(one, pins[one.service]) for one in there
    )
    if as_made and not job.operation.state.tries:
        stack.start(settings.project, list(pins))
    else:
        written = job.world.files.write_override(PINS, override(deployment.pins))
        stack.up(laid_project(job, deployment, written), list(pins))
