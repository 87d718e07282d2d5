"""Hold: from here on users wait, or are served beside what is exchanged (DESIGN, section 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from koprogo_agent.domain.drift import is_defined
from koprogo_agent.domain.gate import Expectation
from koprogo_agent.domain.hold import Hold, Way
from koprogo_agent.domain.overlay import all_needs, expectation
from koprogo_agent.domain.plan import Kind, Step
from koprogo_agent.domain.states import Course, Truth
from koprogo_agent.errors import RetryLater, StepFailed
from koprogo_agent.update.candidate import candidate_project
from koprogo_agent.update.hold_plan import plan_hold, what_is_ahead
from koprogo_agent.update.holding import (
    NO_ROUTE,
    close_ingress,
    close_rooms,
    end_beside,
    give_up_rooms,
    note_beside_safe,
    note_nothing_safe,
    note_safe,
    open_rooms,
    put_up_rooms,
    runs_of,
    stop_writers,
    users_come_in,
)
from koprogo_agent.update.host_check import check_host_again
from koprogo_agent.update.job import (
    CANDIDATE,
    Found,
    Job,
    left_alone,
    model_of,
    previous_of,
    unlaid_project,
)
from koprogo_agent.update.looking import (
    Look,
    examined,
    gate_policy,
    inside,
    of_fallen,
    take,
    wait_until_healthy,
)
from koprogo_agent.update.networks import networks_to_renew, settle_networks
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.pins import write_pins
from koprogo_agent.update.reviving import revive_database

log = structlog.get_logger()


def do(job: Job) -> Facts:
    """Takes the best way there is; on the way back, it also says whether users have written."""
    state = job.operation.state
    if state.course is not Course.BACK:
        return _facts(job, _forward(job))
    if not state.plan.rewinds_data and _served_beside(job):
        # Users are with the version that passed its gate; what goes back meanwhile is beside it.
        return dict(job.operation.facts.get(Step.HOLD, {}))
    note_nothing_safe(job)
    breached = not state.opened and users_come_in(job)
    held = _hold(job, networks_to_renew(job, previous_of(job)))
    if not state.plan.rewinds_data:
        return _facts(job, held)
    settle_networks(job, previous_of(job))
    revive_database(job)
    return _facts(job, held) | {"wrote": breached or (state.opened and _wrote(job))}


def undo(job: Job) -> Facts:  # noqa: ARG001 - the contract of a step
    """Letting users through is the work of the step `release`."""
    return {}


def probe(job: Job) -> Found:  # noqa: ARG001 - the contract of a step
    """It is done again: each part of it finds what is there already."""
    return Found(Truth.NOT_DONE)


@dataclass(frozen=True)
class Held:
    """A hold that stands.

    Attributes:
        hold: what it is.
        since: since when users meet it, in ISO 8601.
        no_route: why the ingress did not hand its routes over, where it was asked.
        unchanged: the services whose containers compose leaves as they are; none where it was not
            asked beforehand.
        networks: the networks that are made anew while it stands.
    """

    hold: Hold
    since: str
    no_route: str = ""
    unchanged: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


def _forward(job: Job) -> Held:
    """Holds, and notes until when the hold could be ended without the agent.

    That is as long as nothing was exchanged: until the rollback point is made, where there is one.
    """
    networks = networks_to_renew(job, job.target)
    check_host_again(job, networks)
    if job.operation.kind is not Kind.HEAL:
        note_safe(job)
    unchanged = _unchanged(job)
    held = replace(_hold(job, networks), unchanged=unchanged)
    if held.hold.way is Way.BESIDE:
        note_beside_safe(job)
    elif Step.POINT not in job.operation.state.plan.steps:
        note_nothing_safe(job)
    return held


def _unchanged(job: Job) -> tuple[str, ...]:
    """Ask compose now, while no user waits, which services it will leave as they are.

    It is asked in the stack's folder, since paths are part of a definition. What it reads there by
    itself is still of the release before: so only of services that the release leaves alone.
    """
    pins = write_pins(job, CANDIDATE, job.target)
    try:
        hashes = job.world.stack.hashes(unlaid_project(job, job.target, pins))
    except StepFailed:
        # It needs a file that the release has yet to bring.
        return ()
    containers = job.world.stack.containers(job.settings.stack.project)
    same = {one.service for one in containers if is_defined(one, hashes.get(one.service, ""))}
    return tuple(sorted(same & left_alone(job)))


def _hold(job: Job, networks: tuple[str, ...]) -> Held:
    """Chooses a way and goes it; another one where that cannot be gone."""
    # On a way back: the ingress did not hand its routes over, and is not asked a second time.
    known = job.operation.fact(Step.HOLD, "no_route") or ""
    chosen = _plan(job, networks, known)
    if networks:
        # Rooms of a hold before this one are in the networks as well.
        give_up_rooms(job.world, job.settings)
    try:
        return replace(_go(job, chosen), no_route=known, networks=networks)
    except RetryLater as error:
        if chosen.way not in {Way.BESIDE, Way.WAIT} or not error.code.startswith(_STUCK):
            raise
        log.warning("hold.fallback", way=chosen.way, why=error.message)
        give_up_rooms(job.world, job.settings)
        no_route = error.message if error.code == NO_ROUTE else ""
        return replace(_go(job, _plan(job, networks, error.message)), no_route=no_route)


def _plan(job: Job, networks: tuple[str, ...], stuck: str) -> Hold:
    return plan_hold(job.world, job.settings, what_is_ahead(job, networks, stuck))


_STUCK = ("room.", "image.absent")
"""Codes of faults after which no waiting room can be had here now."""


def _go(job: Job, chosen: Hold) -> Held:
    since = _since(job)
    match chosen.way:
        case Way.BESIDE:
            chosen = _beside(job, chosen)
        case Way.WAIT:
            chosen = _wait(job, chosen)
        case Way.CLOSED:
            close_ingress(job)
        case Way.AWAY | Way.IN_USE:
            pass
    return Held(chosen, since)


def _wait(job: Job, chosen: Hold) -> Hold:
    put_up_rooms(job, chosen.rooms)
    close_rooms(job, chosen.rooms)
    if job.operation.state.plan.rewinds_data:
        stop_writers(job)
    return chosen


def _beside(job: Job, chosen: Hold) -> Hold:
    """The new version passes its gate beside the old one, and only then users are led to it."""
    if job.world.stack.beside(job.settings.stack.project):
        # Left by a crash: rooms may lead to what is made anew here.
        open_rooms(job.world, job.settings)
    try:
        _start_beside(job, chosen.rooms)
    except StepFailed as error:
        if "restore_seconds" not in job.operation.facts.get(Step.REHEARSE, {}):
            raise
        # It has started in the rehearsal: what it cannot stand may be the version beside it.
        log.warning("hold.beside_failed", why=error.message)
        end_beside(job.world, job.settings)
        return _wait(job, Hold(Way.WAIT, chosen.rooms, f"beside the old one, {error.message}"))
    put_up_rooms(job, chosen.rooms)
    for one in job.world.stack.beside(job.settings.stack.project):
        job.world.rooms.open(job.settings.stack.project, one.service, one.id)
    return chosen


def _start_beside(job: Job, names: tuple[str, ...]) -> None:
    stack, settings = job.world.stack, job.settings
    with candidate_project(job) as project:
        for name in names:
            stack.start_beside(project, name, settings.hold.environment)
    look = Look(
        project=settings.stack.project,
        expected=Expectation(frozenset(names)),
        inside=inside(settings, names),
        examined=examined(settings, names),
        listing=stack.beside,
    )
    try:
        wait_until_healthy(job.world, look, gate_policy(settings), job.watcher)
    except StepFailed:
        _check_needed(job, names)
        raise


def _check_needed(job: Job, names: Iterable[str]) -> None:
    """Make sure that what these services need, and the release leaves alone, runs.

    Raises:
        RetryLater: it does not: that these do not start beside the old ones is not their fault.
    """
    project, model = job.settings.stack.project, model_of(job, job.target)
    needed = all_needs(model, names) & left_alone(job)
    look = Look(project, expectation(model), unchanged=frozenset(needed))
    error = of_fallen(look, [take(job.world, look, 0.0)])
    if error is not None:
        raise error


def _served_beside(job: Job) -> bool:
    """Whether rooms lead users to the version that stands beside."""
    project = job.settings.stack.project
    rooms = {one.service: one for one in job.world.rooms.seen(project) if one.answers}
    beside = {one.service for one in job.world.stack.beside(project) if one.state == "running"}
    held = job.operation.fact(Step.HOLD, "way") == Way.BESIDE
    return held and bool(rooms) and all(n in beside and not r.closed for n, r in rooms.items())


def _facts(job: Job, held: Held) -> dict[str, object]:
    return {
        "way": str(held.hold.way),
        "rooms": list(held.hold.rooms),
        "why": held.hold.why,
        "no_route": held.no_route,
        "runs": runs_of(job),
        "unchanged": list(held.unchanged),
        "networks": list(held.networks),
        "at": held.since,
    }


def _since(job: Job) -> str:
    """Since when users meet the hold: a way back goes on from where the way there began."""
    before = job.operation.fact(Step.HOLD, "at")
    let_through = Step.RELEASE in job.operation.facts
    return before if before and not let_through else job.world.clock.now().isoformat()


def _wrote(job: Job) -> bool:
    """Not knowing counts as yes: restoring the point would lose what may be there."""
    mark = job.operation.fact(Step.GATE, "mark")
    return mark is None or job.world.database.wrote_since(job.database, mark)
