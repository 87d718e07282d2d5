"""Release: requests are let through, and the stack answers as its users ask it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.hold import Met, Way
from koprogo_agent.domain.overlay import is_made_of
from koprogo_agent.domain.plan import Action, Direction, Step
from koprogo_agent.domain.states import Truth
from koprogo_agent.update.asked import operators_own
from koprogo_agent.update.holding import end_beside, give_routes_back, let_in, note_safe, open_rooms
from koprogo_agent.update.job import (
    PINS,
    Found,
    Job,
    laid_project,
    left_alone,
    previous_of,
)
from koprogo_agent.update.looking import Look, examined, gate_policy, outside, wait_until_healthy
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.operator_files import expected_of
from koprogo_agent.update.pins import write_pins
from koprogo_agent.update.steps.gate import look_at
from koprogo_agent.update.steps.switch import start_again


def do(job: Job) -> Facts:
    """Lets users through to the target."""
    return _let_through(job, job.target)


def undo(job: Job) -> Facts:
    """Lets users through to what was there before; starts it, where only the hold stopped it."""
    previous = previous_of(job)
    stack = job.settings.stack
    if Action(Step.SWITCH, Direction.UNDO) not in job.operation.state.actions:
        job.world.stack.start(stack.project, stack.writers)
        look_at(job, previous)
    return _let_through(job, previous)


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """Letting through is done again, and asked again: it changes nothing the second time."""
    return Found(Truth.NOT_DONE)


def _let_through(job: Job, deployment: Deployment) -> Facts:
    world, project = job.world, job.settings.stack.project
    began = world.clock.monotonic()
    start_again(job, deployment)
    note_safe(job)
    open_rooms(world, job.settings)
    _start_ingress(job, deployment)
    end_beside(world, job.settings)
    seen = _look_as_users(job, deployment)
    met = Met(away=_away(job, seen))
    let_in(world, job.settings)
    if rooms := world.rooms.seen(project):
        longest, late = max(one.longest for one in rooms), sum(one.late for one in rooms)
        met = Met(waited=longest, turned_away=late)
        give_routes_back(world, job.settings)
        _look_as_users(job, deployment)
    world.rooms.forget_safe()
    before = job.operation.met or Met()
    return {**asdict(before + met), "seconds": world.clock.monotonic() - began}


def _away(job: Job, seen: datetime) -> float:
    """Seconds for which users may have got errors instead of what was exchanged.

    It counts from the hold on: what was exchanged went away a moment later. It ends when the gate
    saw what users see; where the ingress was closed, when it was seen through the ingress.
    """
    hold = job.operation.facts.get(Step.HOLD, {})
    match hold.get("way"):
        case Way.CLOSED:
            back = seen
        case Way.AWAY if opened := job.operation.fact(Step.GATE, "since"):
            back = datetime.fromisoformat(opened)
        case _:
            return 0.0
    # Should the clock be set back meanwhile, it was away for no less than no time.
    return max((back - datetime.fromisoformat(hold["at"])).total_seconds(), 0.0)


def _look_as_users(job: Job, deployment: Deployment) -> datetime:
    """Since when it is healthy: to the engine, to which the ingress looks, and to users."""
    expected = expected_of(job, deployment)
    project = job.settings.stack.project
    routed = {one.service for one in job.world.rooms.seen(project)}
    look = Look(
        project=project,
        expected=expected,
        outside=outside(job.settings),
        examined=examined(job.settings, expected.running - routed),
        unchanged=left_alone(job),
        own=operators_own(job, deployment),
    )
    return wait_until_healthy(job.world, look, gate_policy(job.settings), job.watcher).since


def _start_ingress(job: Job, deployment: Deployment) -> None:
    """Starts what the switch has made. A second try, or what was meddled with, is for compose."""
    stack, settings = job.world.stack, job.settings.stack
    pins = {name: pin for name, pin in deployment.pins.items() if name in settings.own_ingress}
    if not pins:
        return
    there = [one for one in stack.containers(settings.project) if one.service in pins]
    # A container that a killed compose left half made counts as well: there would be two.
    as_made = sorted(one.service for one in there) == sorted(pins) and all(
        is_made_of(one, pins[one.service]) for one in there
    )
    if as_made and not job.operation.state.tries:
        stack.start(settings.project, list(pins))
    else:
        written = write_pins(job, PINS, deployment)
        stack.up(laid_project(job, deployment, written), list(pins))
