"""The hold: what keeps users from noticing an exchange, and whether it still stands.

Every function asks the machine, not the journal, what is there, so that each may be repeated after
a crash. The way of a hold and the rooms that it stands on are facts of the step `hold`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from koprogo_agent.domain.drift import CONFIG_HASH
from koprogo_agent.domain.gate import Container, Health
from koprogo_agent.domain.hold import Exchange, Hold, Way, choose, depends_on
from koprogo_agent.domain.overlay import is_made_of, mounted_paths, services
from koprogo_agent.domain.plan import Kind, Plan, Step
from koprogo_agent.domain.states import Course
from koprogo_agent.domain.traefik import Routing, reads_labels, routing
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.job import Job, model_of, previous_of, running_of
from koprogo_agent.update.standing import Standing
from koprogo_agent.update.world import World

log = structlog.get_logger()

_TAKEN_WITHIN = 15.0
"""Seconds within which an ingress must hand a route over: Traefik takes 1.3 to 3.9."""
_GIVEN_BACK_WITHIN = 30.0
_LET_IN_WITHIN = 60.0
_EMPTY_LOOKS = 3
"""Looks in a row at which nobody waits: users send the next request when one is answered."""
_IDLE_WITHIN = 10.0
"""Seconds for the last answers of the old version; a WebSocket would never end."""
_SILENT_WITHIN = 10.0
_STEP = 0.1
"""Seconds from one question to the next; each costs the engine and the ingress a few of theirs."""


@dataclass(frozen=True)
class Ahead:
    """An exchange that is about to be done, as far as it is known.

    Attributes:
        plan: of the operation.
        model: the compose model of what runs afterwards.
        changed: the services whose containers are exchanged.
        containers: those that run now.
        failed: whether what runs now has failed, so that it cannot serve on meanwhile.
        stuck: why the routes of the ingress cannot be moved, where that was found out.
    """

    plan: Plan
    model: Mapping[str, Any]
    changed: frozenset[str]
    containers: tuple[Container, ...]
    failed: bool = False
    stuck: str = ""


def plan_hold(world: World, settings: Settings, ahead: Ahead) -> Hold:
    """Chooses the way of an exchange."""
    stack = settings.stack
    running = (one.service for one in ahead.containers if one.state == "running")
    exchange = Exchange(
        depends_on=depends_on(ahead.model),
        changed=ahead.changed,
        writers=frozenset(stack.writers),
        ingress=frozenset(stack.ingress),
        stops_writers=ahead.plan.rewinds_data,
        serving=frozenset(running),
    )
    routes = routes_of(ahead.containers)
    against = "" if exchange.stops_writers else _against_beside(world, settings, ahead, routes)
    stuck = ahead.stuck or _unread(ahead.model, stack.ingress)
    return choose(exchange, routes, against_beside=against, stuck=stuck)


def what_is_ahead(job: Job, stuck: str = "") -> Ahead:
    """The exchange that an operation is about to do, at the step `hold`."""
    containers = job.world.stack.containers(job.settings.stack.project)
    back = job.operation.state.course is Course.BACK
    deployment = previous_of(job) if back else job.target
    made = {one.service: one for one in containers}
    changed = {
        name
        for name, pin in deployment.pins.items()
        if name not in made or not is_made_of(made[name], pin)
    }
    changed |= made.keys() - deployment.pins.keys()
    if job.operation.kind is Kind.HEAL or back:
        changed |= set(_astray(job, containers))
    model = model_of(job, deployment)
    plan = job.operation.state.plan
    return Ahead(plan, model, frozenset(changed), containers, failed=back, stuck=stuck)


def routes_of(containers: Iterable[Container]) -> dict[str, Routing]:
    """Service -> how Traefik routes to it, by the labels of its container."""
    found = ((one.service, routing(one.labels)) for one in containers)
    return {service: one for service, one in found if one is not None}


def way_in_force(job: Job) -> Way:
    """What users meet now: the way of the hold until the step `release`, else `IN_USE`."""
    state = job.operation.state
    steps = [action.step for action in state.actions]
    if Step.RELEASE not in steps or Step.RELEASE in steps[: state.position]:
        return Way.IN_USE
    return Way(job.operation.fact(Step.HOLD, "way") or Way.IN_USE)


def closed_services(job: Job) -> frozenset[str]:
    """The services that stay stopped for now: the ingress, where there is no better way."""
    closed = way_in_force(job) is Way.CLOSED
    return frozenset(job.settings.stack.ingress) if closed else frozenset()


def users_wait(job: Job) -> bool:
    """Whether users are kept out or waiting now, so that each second counts."""
    return way_in_force(job) in {Way.WAIT, Way.CLOSED}


def users_come_in(job: Job) -> bool:
    """Whether users may have reached the writers since the hold stood.

    A reboot starts what restarts `always`, also what was stopped on purpose; a room that restarts
    is away for a moment. Neither matters while no writer could be reached: Traefik leads to what
    the engine calls healthy only.
    """
    match way_in_force(job):
        case Way.CLOSED:
            return bool(running_of(job, job.settings.stack.ingress))
        case Way.WAIT:
            return not _rooms_stand(job) and _writers_are_routed(job)
        case Way.BESIDE | Way.AWAY | Way.IN_USE:
            return True


def close_ingress(job: Job) -> None:
    """Stops the ingress first, so that requests under way still find a backend, then writers."""
    job.world.stack.stop(job.settings.stack.project, job.settings.stack.ingress)
    stop_writers(job)


def stop_writers(job: Job) -> None:
    """Stops whatever writes; a one-off migration that outlived a killed agent writes as well."""
    stack, migration = job.settings.stack, job.settings.migration.service
    job.world.stack.stop(stack.project, tuple(dict.fromkeys((*stack.writers, migration))))


def hold_again(job: Job) -> dict[str, str]:
    """Makes sure that the hold stands and nobody writes; gives the runs of its rooms.

    It stands already, unless a reboot or a fallen room has opened it.
    """
    keep_rooms(job)
    if way_in_force(job) is Way.WAIT:
        close_rooms(job, job.operation.fact(Step.HOLD, "rooms") or ())
        stop_writers(job)
    else:
        close_ingress(job)
    return runs_of(job)


def runs_of(job: Job) -> dict[str, str]:
    """Service -> the run of its room, by which a restart of it is noticed later."""
    return {one.service: one.run for one in job.world.rooms.seen(job.settings.stack.project)}


def put_up_rooms(job: Job, names: Iterable[str]) -> None:
    """Has rooms take the routes of services, and pass requests on as before.

    On a way back of which users know nothing yet, a room that has fallen comes back closed: what
    runs then has not passed its gate, and what it writes is discarded.

    Raises:
        RetryLater: a room does not answer (`room.silent`), or the ingress does not hand the route
            over (`room.no_route`).
    """
    world, project = job.world, job.settings.stack.project
    made = {one.service: one for one in world.stack.containers(project)}
    state = job.operation.state
    held = state.course is Course.BACK and not state.opened
    put_up = world.rooms.put_up_again if held else world.rooms.put_up
    for name in names:
        put_up(project, name, made[name].id, job.settings.hold.limit)
    ingress = tuple(one.id for one in made.values() if one.service in job.settings.stack.ingress)
    for name in names:
        _until(
            world,
            lambda name=name: world.rooms.has_route(project, name, ingress),  # type: ignore[misc]
            _TAKEN_WITHIN,
            RetryLater(
                f"the ingress does not hand the route of {name} over to a waiting room",
                code="room.no_route",
            ),
        )


def keep_rooms(job: Job) -> None:
    """Puts up again what has fallen of the rooms that the hold stands on.

    For steps that take long: while a room is down, requests are turned away. What keeps a room from
    being put up is no fault of the step; the next look tries again. The step `release` ends the
    hold, and needs no room that has fallen.
    """
    way = way_in_force(job)
    if way not in {Way.WAIT, Way.BESIDE} or job.operation.state.action.step is Step.RELEASE:
        return
    world, project = job.world, job.settings.stack.project
    seen = {one.service: one for one in world.rooms.seen(project)}
    for name in job.operation.fact(Step.HOLD, "rooms") or ():
        room = seen.get(name)
        if room is None or not room.answers or (room.closed and way is Way.BESIDE):
            try:
                _keep(job, name, way)
            except RetryLater as error:
                log.warning("room.fallen", service=name, why=error.message)


def _keep(job: Job, name: str, way: Way) -> None:
    world, project = job.world, job.settings.stack.project
    made = {one.service: one.id for one in world.stack.containers(project)}
    if name in made:
        world.rooms.put_up_again(project, name, made[name], job.settings.hold.limit)
    leads_to = {one.service: one.id for one in world.stack.beside(project)}
    if way is Way.BESIDE and name in leads_to:
        world.rooms.open(project, name, leads_to[name])


def close_rooms(job: Job, names: Iterable[str]) -> None:
    """Holds new requests for services, and waits for the answers to those under way."""
    world, project = job.world, job.settings.stack.project
    for name in names:
        _until(
            world,
            lambda name=name: _answers(world, project, name),  # type: ignore[misc]
            _SILENT_WITHIN,
            RetryLater(f"the waiting room of {name} does not answer", code="room.silent"),
        )
        world.rooms.close(project, name)
    deadline = world.clock.monotonic() + _IDLE_WITHIN
    while any(one.passing for one in world.rooms.seen(project)):
        if world.clock.monotonic() > deadline:
            return
        world.clock.wait(_STEP)


def open_rooms(world: World, settings: Settings) -> None:
    """Has every room pass requests on to its service's own container."""
    project = settings.stack.project
    made = {one.service: one for one in world.stack.containers(project)}
    for room in world.rooms.seen(project):
        if room.answers and room.service in made:
            world.rooms.open(project, room.service, made[room.service].id)


def give_routes_back(world: World, settings: Settings) -> None:
    """Has the ingress lead to the services themselves again, and removes the rooms.

    Call it once the services are healthy in the engine's eyes: before, the ingress has nobody to
    lead to.
    """
    project = settings.stack.project
    rooms = world.rooms.seen(project)
    containers = world.stack.containers(project)
    ingress = tuple(one.id for one in containers if one.service in settings.stack.ingress)
    _let_in(world, project)
    for room in rooms:
        if room.answers:
            world.rooms.step_aside(project, room.service)
    deadline = world.clock.monotonic() + _GIVEN_BACK_WITHIN
    for room in rooms:
        while world.clock.monotonic() < deadline and (
            world.rooms.has_route(project, room.service, ingress)
            or _is_busy(world, project, room.service)
        ):
            world.clock.wait(_STEP)
        world.rooms.remove(project, room.service)


def let_through(world: World, settings: Settings) -> None:
    """Ends a hold that nothing else will end: starts what it stopped, and removes its rooms."""
    stack = settings.stack
    led_to = (one.service for one in world.rooms.seen(stack.project))
    world.stack.start(stack.project, (*stack.writers, *led_to))
    world.stack.start(stack.project, stack.ingress)
    give_up_rooms(world, settings)


def give_up_rooms(world: World, settings: Settings) -> None:
    """As if there had been no rooms, and nothing beside: users get what the ingress leads to."""
    try:
        open_rooms(world, settings)
    except RetryLater as error:
        # What does not run cannot be led to, and the ingress will do no better.
        log.warning("hold.not_opened", why=error.message)
    give_routes_back(world, settings)
    world.stack.end_beside(settings.stack.project)


def end_stray_hold(world: World, settings: Settings) -> None:
    """Ends a hold that belongs to no operation; nothing else would.

    Where none is left behind, this costs one question to the engine.
    """
    project = settings.stack.project
    rooms = world.rooms.seen(project)
    if rooms:
        log.warning("hold.stray", rooms=[one.service for one in rooms])
        let_through(world, settings)


# --- inside


def _writers_are_routed(job: Job) -> bool:
    writers = set(job.settings.stack.writers)
    containers = job.world.stack.containers(job.settings.stack.project)
    return any(
        one.service in writers and one.state == "running" and one.health is not Health.STARTING
        for one in containers
    )


def _rooms_stand(job: Job) -> bool:
    """Whether every room is still closed, and the very run that a step made sure of."""
    seen = {one.service: one for one in job.world.rooms.seen(job.settings.stack.project)}
    shut = {name: one.run for name, one in seen.items() if one.answers and one.closed}
    noted = (job.operation.fact(step, "runs") for step in (Step.HOLD, Step.POINT, Step.RESTORE))
    return any(runs and runs.items() <= shut.items() for runs in noted)


def _astray(job: Job, containers: Iterable[Container]) -> Iterable[str]:
    """Services whose containers are not as they were applied."""
    applied = Standing(job.journal).applied
    for one in containers:
        known = applied.get(one.service)
        moved = known is not None and one.labels.get(CONFIG_HASH, "") != known.config_hash
        if moved or not (one.state == "running" or one.may_end):
            yield one.service


def _against_beside(
    world: World, settings: Settings, ahead: Ahead, routes: Mapping[str, Routing]
) -> str:
    """Why the new version cannot serve beside the old one; empty when it can."""
    if ahead.failed:
        return "what runs now has failed"
    if not settings.hold.beside:
        return "hold.beside is false"
    root = str(settings.stack.directory)
    for name in sorted(ahead.changed & routes.keys()):
        if mounted_paths(services(ahead.model).get(name, {}), ahead.model, root):
            return f"{name} mounts files of the release"
    try:
        at = DatabaseAt(settings.stack.project, settings.database.service)
        free, wanted = world.database.free_connections(at), settings.hold.connections
    except RetryLater as error:
        return error.message
    return f"the database has {free} connections free, of {wanted} wanted" if free < wanted else ""


def _unread(model: Mapping[str, Any], ingress: Iterable[str]) -> str:
    """Why labels lead nowhere, or an empty string."""
    made = services(model)
    deaf = [name for name in ingress if not reads_labels(made.get(name, {}))]
    return f"{deaf[0]} has its routes from elsewhere than labels, and keeps them" if deaf else ""


def _let_in(world: World, project: str) -> None:
    """Waits until open rooms have let in what waited, at the pace that the ingress allows."""
    deadline, empty = world.clock.monotonic() + _LET_IN_WITHIN, 0
    while empty < _EMPTY_LOOKS and world.clock.monotonic() < deadline:
        waiting = any(one.held and not one.closed for one in world.rooms.seen(project))
        empty = 0 if waiting else empty + 1
        world.clock.wait(_STEP)


def _answers(world: World, project: str, name: str) -> bool:
    return any(one.service == name and one.answers for one in world.rooms.seen(project))


def _is_busy(world: World, project: str, name: str) -> bool:
    mine = (one for one in world.rooms.seen(project) if one.service == name)
    return any(one.answers and (one.passing or one.held) for one in mine)


def _until(world: World, true: Callable[[], bool], seconds: float, late: RetryLater) -> None:
    deadline = world.clock.monotonic() + seconds
    while not true():
        if world.clock.monotonic() > deadline:
            raise late
        world.clock.wait(_STEP)
