"""Release: requests are let through, and the stack answers as its users ask it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
    met = _noted(job) or Met(away=_away(job, seen))
    let_in(world, job.settings)
    rooms = world.rooms.seen(project)
    if rooms:
        longest, late = max(one.longest for one in rooms), sum(one.late for one in rooms)
        met = Met(max(met.waited, longest), max(met.turned_away, late), met.away)
    _note(job, met)
    if rooms:
        give_routes_back(world, job.settings)
        _look_as_users(job, deployment)
    world.rooms.forget_safe()
    before = job.operation.met or Met()
    return {**asdict(before + met), "seconds": world.clock.monotonic() - began}


@dataclass(frozen=True)
class _Note:
    """What users met in one going through this step, so far."""

    action: str
    met: Met


def _note(job: Job, met: Met) -> None:
    """Remembers it: rooms take what they have counted with them, and time goes on."""
    job.journal.put(_MET, _Note(_going_through(job), met))


def _noted(job: Job) -> Met | None:
    """What an agent that was killed in this step had seen of users."""
    note = job.journal.get(_Note, _MET)
    return note.met if note is not None and note.action == _going_through(job) else None


def _going_through(job: Job) -> str:
    operation, state = job.operation, job.operation.state
    return f"{operation.id} {state.course} {state.position}"


_MET = "release_met"


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
    """Has compose start what the hold has closed; a second try is for compose in any case."""
    stack, settings = job.world.stack, job.settings.stack
    pins = {name: pin for name, pin in deployment.pins.items() if name in settings.own_ingress}
    there = [one for one in stack.containers(settings.project) if one.service in pins]
    # A container that a killed compose left half made counts as well: there would be two.
    runs = sorted(one.service for one in there) == sorted(pins) and all(
        one.state == "running" and is_made_of(one, pins[one.service]) for one in there
    )
    if pins and (job.operation.state.tries or not runs):
        written = write_pins(job, PINS, deployment)
        stack.up(laid_project(job, deployment, written), list(pins))
