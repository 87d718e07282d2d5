"""The hold: what keeps users from noticing an exchange, and whether it still stands.

Every function asks the machine, not the journal, what is there, so that each may be repeated after
a crash. The way of a hold and the rooms that it stands on are facts of the step `hold`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from koprogo_agent.domain.gate import Health
from koprogo_agent.domain.hold import Way
from koprogo_agent.domain.plan import Step
from koprogo_agent.domain.states import Course
from koprogo_agent.errors import RetryLater
from koprogo_agent.settings import Settings
from koprogo_agent.update.hold_plan import routes_of
from koprogo_agent.update.job import Job, running_of
from koprogo_agent.update.world import World

log = structlog.get_logger()

NO_ROUTE = "room.no_route"
"""Code of the fault that an ingress does not hand a route over."""
_TAKEN_WITHIN = 15.0
"""Seconds within which an ingress must hand a route over: Traefik takes 1.3 to 3.9."""
_GIVEN_BACK_WITHIN = 30.0
_LET_IN_WITHIN = 60.0
_EMPTY_LOOKS = 3
"""Looks in a row at which no request waits: users send the next request when one is answered."""
_IDLE_WITHIN = 10.0
"""Seconds for the last answers of the old version; a WebSocket would never end."""
_ANSWERED_WITHIN = 3.0
"""Seconds for what stands beside to answer; it is then stopped, and may take its own time."""
_QUIET_LOOKS = 3
"""Looks in a row at which a room without its route is asked nothing: what the ingress had sent
there before may still be on its way."""
_SILENT_WITHIN = 10.0
_STEP = 0.1
"""Seconds from one question to the next; each costs the engine and the ingress a few of theirs."""
_CALM_STEP = 0.25
"""Seconds from one question to the next where no request waits for the answer."""


def ingress_of(world: World, settings: Settings) -> tuple[str, ...]:
    """The containers through which users come in, of whatever project."""
    stack = settings.stack
    containers = world.stack.containers(stack.ingress_project or stack.project)
    return tuple(one.id for one in containers if one.service in stack.ingress)


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
    return frozenset(job.settings.stack.own_ingress) if closed else frozenset()


def users_wait(job: Job) -> bool:
    """Whether users are kept out or waiting now, so that each second counts."""
    return way_in_force(job) in {Way.WAIT, Way.CLOSED}


def hold_stands(job: Job) -> bool:
    """Whether requests wait in the very rooms of the step `hold`: no engine has fallen since."""
    return way_in_force(job) is Way.WAIT and _rooms_stand(job)


def users_come_in(job: Job) -> bool:
    """Whether users may have reached the writers since the hold stood.

    A reboot starts what restarts `always`, also what was stopped on purpose; a room that restarts
    is away for a moment. Neither matters while no writer could be reached: Traefik leads to what
    the engine calls healthy only.
    """
    match way_in_force(job):
        case Way.CLOSED if job.settings.stack.ingress_project:
            return _writers_are_routed(job)  # the ingress is not ours to stop
        case Way.CLOSED:
            return bool(running_of(job, job.settings.stack.own_ingress))
        case Way.WAIT:
            return not _rooms_stand(job) and _writers_are_routed(job)
        case Way.BESIDE | Way.AWAY | Way.IN_USE:
            return True


def close_ingress(job: Job) -> None:
    """Stops the ingress first, so that requests under way still find a backend, then writers."""
    job.world.stack.stop(job.settings.stack.project, job.settings.stack.own_ingress)
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
        names = job.operation.fact(Step.HOLD, "rooms") or ()
        if not _rooms_stand(job):
            put_up_rooms(job, names)
        close_rooms(job, names)
        stop_writers(job)
    else:
        close_ingress(job)
    return runs_of(job)


def runs_of(job: Job) -> dict[str, str]:
    """Service -> the run of its room, by which a restart of it is noticed later."""
    return {one.service: one.run for one in job.world.rooms.seen(job.settings.stack.project)}


def note_safe(job: Job) -> None:
    """Notes that users may be led to what routed services, writers and ingress run now.

    `systemd/end-hold` goes by it: say it only of what has passed its gate, on
    data that does not go back, and never while a step changes either.
    """
    stack = job.settings.stack
    containers = job.world.stack.containers(stack.project)
    names = {*routes_of(containers), *stack.writers, *stack.own_ingress}
    job.world.rooms.note_safe(stack.project, [o.id for o in containers if o.service in names])


def note_beside_safe(job: Job) -> None:
    """The same of the containers beside, which have passed their gate."""
    project = job.settings.stack.project
    job.world.rooms.note_safe(project, [one.id for one in job.world.stack.beside(project)])


def note_nothing_safe(job: Job) -> None:
    """Notes that users may be led nowhere: from here on only the agent can end the hold."""
    job.world.rooms.note_safe(job.settings.stack.project, ())


def put_up_rooms(job: Job, names: Iterable[str]) -> None:
    """Has rooms take the routes of services, and pass requests on as before.

    On a way back of which users know nothing yet, a room that has fallen comes back closed: what
    runs then has not passed its gate, and what it writes is discarded.

    Raises:
        RetryLater: a room does not answer (`room.silent`), or the ingress does not hand the route
            over (`room.no_route`).
    """
    world, project = job.world, job.settings.stack.project
    _give_ingress_memory(world, job.settings)
    made = {one.service: one for one in world.stack.containers(project)}
    state = job.operation.state
    held = state.course is Course.BACK and not state.opened
    put_up = world.rooms.put_up_again if held else world.rooms.put_up
    for name in names:
        put_up(project, name, made[name].id, job.settings.hold.limit)
    ingress = ingress_of(world, job.settings)
    for name in names:
        _until(
            world,
            lambda name=name: world.rooms.has_route(project, name, ingress),  # type: ignore[misc]
            _TAKEN_WITHIN,
            RetryLater(
                f"the ingress does not hand the route of {name} over to a waiting room",
                code=NO_ROUTE,
            ),
        )


def _give_ingress_memory(world: World, settings: Settings) -> None:
    """Each waiting request costs the ingress memory; without enough, the kernel kills it.

    Traefik 3.7 with KoproGo's 128 MB did not survive 400 requests that waited for 3 s (measured).
    An ingress of another project is left as it is. If the limit cannot be raised, the hold goes on.
    """
    stack, wanted = settings.stack, settings.hold.ingress_memory
    try:
        world.stack.raise_memory_limit(stack.project, stack.own_ingress, wanted)
    except RetryLater as error:
        log.warning("hold.ingress_memory", why=error.message, advice=error.advice)


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
        if not _comes_back(world, project, name):
            raise RetryLater(f"the waiting room of {name} does not answer", code="room.silent")
        world.rooms.close(project, name)
    _until_answered(world, project, _IDLE_WITHIN)


def open_rooms(world: World, settings: Settings) -> None:
    """Has every room pass requests on to its service's own container.

    One that has fallen comes back with what it was told before, which may be a closed door or a
    container that is about to go: it is waited for, and removed if it does not come back.
    """
    project = settings.stack.project
    made = {one.service: one for one in world.stack.containers(project)}
    for room in world.rooms.seen(project):
        if room.service not in made:
            continue
        if _comes_back(world, project, room.service):
            world.rooms.open(project, room.service, made[room.service].id)
        else:
            log.warning("hold.room_lost", service=room.service)
            world.rooms.remove(project, room.service)


def let_in(world: World, settings: Settings) -> None:
    """Waits until open rooms have let in what waited, at the pace that the ingress allows."""
    project = settings.stack.project
    deadline, empty = world.clock.monotonic() + _LET_IN_WITHIN, 0
    while empty < _EMPTY_LOOKS and world.clock.monotonic() < deadline:
        rooms = world.rooms.seen(project)
        if not rooms:
            return
        waiting = any(one.held and not one.closed for one in rooms)
        empty = 0 if waiting else empty + 1
        world.clock.wait(_STEP)


def give_routes_back(world: World, settings: Settings) -> None:
    """Has the ingress lead to the services themselves again, and removes the rooms.

    Call it once the services are healthy in the engine's eyes: before, the ingress has nobody to
    lead to.
    """
    project = settings.stack.project
    ingress = ingress_of(world, settings)
    names = [room.service for room in world.rooms.seen(project)]
    deadline = world.clock.monotonic() + _GIVEN_BACK_WITHIN
    for name in names:
        if _comes_back(world, project, name):
            world.rooms.step_aside(project, name)
    for name in names:
        quiet = 0
        while world.clock.monotonic() < deadline and quiet < _QUIET_LOOKS:
            asked = world.rooms.has_route(project, name, ingress) or _is_busy(world, project, name)
            quiet = 0 if asked else quiet + 1
            world.clock.wait(_CALM_STEP)
        world.rooms.remove(project, name)


def end_beside(world: World, settings: Settings) -> None:
    """Ends what stands beside; call it once rooms lead elsewhere.

    It has been passed requests until a moment ago. A program that is asked to end closes what it
    has not read yet, and that would be an answer of 502.
    """
    project = settings.stack.project
    if world.stack.beside(project):
        _until_answered(world, project, _ANSWERED_WITHIN)
        world.stack.end_beside(project)


def let_through(world: World, settings: Settings) -> None:
    """Ends a hold that nothing else will end: starts what it stopped, and removes its rooms."""
    stack = settings.stack
    led_to = (one.service for one in world.rooms.seen(stack.project))
    world.stack.start(stack.project, (*stack.writers, *led_to))
    world.stack.start(stack.project, stack.own_ingress)
    give_up_rooms(world, settings)
    world.rooms.forget_safe()


def give_up_rooms(world: World, settings: Settings) -> None:
    """As if there had been no rooms, and nothing beside: users get what the ingress leads to."""
    try:
        open_rooms(world, settings)
    except RetryLater as error:
        # What does not run cannot be led to, and the ingress will do no better.
        log.warning("hold.not_opened", why=error.message)
    let_in(world, settings)
    give_routes_back(world, settings)
    end_beside(world, settings)


def end_stray_hold(world: World, settings: Settings) -> None:
    """Ends a hold that belongs to no operation; nothing else would.

    Where none is left behind, this costs one question to the engine.
    """
    project = settings.stack.project
    rooms = world.rooms.seen(project)
    if rooms:
        log.warning("hold.stray", rooms=[one.service for one in rooms])
        let_through(world, settings)
    else:
        world.rooms.forget_safe()


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


def _answers(world: World, project: str, name: str) -> bool:
    return any(one.service == name and one.answers for one in world.rooms.seen(project))


def _until_answered(world: World, project: str, seconds: float) -> None:
    """Waits until nothing is under way that a room has passed on, or for so long."""
    deadline = world.clock.monotonic() + seconds
    while any(one.passing for one in world.rooms.seen(project)):
        if world.clock.monotonic() > deadline:
            return
        world.clock.wait(_STEP)


def _comes_back(world: World, project: str, name: str) -> bool:
    """Whether a room answers, or does so in a moment: the engine starts again what has fallen."""
    deadline = world.clock.monotonic() + _SILENT_WITHIN
    while not _answers(world, project, name):
        if world.clock.monotonic() > deadline:
            return False
        world.clock.wait(_STEP)
    return True


def _is_busy(world: World, project: str, name: str) -> bool:
    mine = (one for one in world.rooms.seen(project) if one.service == name)
    return any(one.answers and (one.passing or one.held) for one in mine)


def _until(world: World, true: Callable[[], bool], seconds: float, late: RetryLater) -> None:
    deadline = world.clock.monotonic() + seconds
    while not true():
        if world.clock.monotonic() > deadline:
            raise late
        world.clock.wait(_STEP)
