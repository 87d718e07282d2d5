"""What an update would do: everything up to the moment at which it would begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from koprogo_agent.domain.database import against_a_point, lost_by_a_way_back
from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.hold import Hold, Way
from koprogo_agent.domain.host import objections
from koprogo_agent.domain.overlay import Model, repository
from koprogo_agent.domain.plan import Plan, Step
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import RetryLater, StepFailed
from koprogo_agent.ports import DatabaseAt, Project
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.forecast import Forecast, forecast
from koprogo_agent.update.hold_plan import Ahead, plan_hold
from koprogo_agent.update.job import project, unusable
from koprogo_agent.update.journal import PastOperation
from koprogo_agent.update.looking import closed_gate_policy
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.planning import order_update
from koprogo_agent.update.requests import Requests

_RECENT = 50
"""Operations that are looked through for something measured."""


@dataclass(frozen=True)
class Preview:
    """What would be done.

    Attributes:
        release: what would be installed.
        plan: its steps.
        hold: how its users are kept from noticing it.
        forecast: what it would cost them.
        limit: seconds for which a request waits at most, where requests wait.
        to_pull: images that are not here yet, as far as the manifest names them.
        notes: what a person should know besides.
    """

    release: VerifiedRelease
    plan: Plan
    hold: Hold
    forecast: Forecast
    limit: float
    to_pull: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def shut_out(self) -> frozenset[Step]:
        """The steps during which users wait."""
        steps = self.plan.steps
        if self.hold.way not in {Way.WAIT, Way.CLOSED} or not self.plan.holds:
            return frozenset()
        return frozenset(steps[steps.index(Step.HOLD) : steps.index(Step.RELEASE) + 1])


def preview(engine: Engine, tag: str | None) -> Preview | None:
    """What `Requests.update` would do; None where there is nothing to do, or the agent is held.

    Raises:
        Refused: the named release may not be installed.
    """
    release = Requests(engine).candidate(tag)
    if release is None:
        return None
    order = order_update(engine.world, engine.settings, release, engine.journal.installed)
    past = engine.journal.past(_RECENT)
    tried = next(_tried(past), None)
    no_route = str(tried.get("no_route", "")) if tried else ""
    model = _model_here(engine)
    hold = _hold(engine, order.plan, release, model, no_route)
    settled = closed_gate_policy(engine.settings).settled
    expected = forecast(order.plan, hold, past, _database(engine), settled)
    images = release.manifest.images.values() if release.manifest else ()
    absent = [one.reference for one in images if engine.world.images.find(one.reference) is None]
    limit, notes = engine.settings.hold.limit, list(_notes(engine, hold, tried is None))
    notes += _of_the_machine(engine, model)
    notes += _of_the_database(engine, order.plan)
    return Preview(release, order.plan, hold, expected, limit, tuple(absent), tuple(notes))


def _tried(past: Iterable[PastOperation]) -> Iterator[Facts]:
    """What became of each try to have rooms take the routes here, newest first."""
    for one in past:
        held = one.operation.facts.get(Step.HOLD, {})
        if held.get("rooms") or held.get("no_route"):
            yield held


def _model_here(engine: Engine) -> Model | None:
    """The rendered compose model of what is installed; None where nothing is.

    Raises:
        NeedsOperator: a file of the operator's is missing, or Compose cannot use it.
    """
    installed = engine.journal.installed
    if installed is None:
        return None
    try:
        return engine.world.stack.render(_as_laid(engine, installed))
    except StepFailed as error:
        raise unusable(error) from error


def _as_laid(engine: Engine, installed: Deployment) -> Project:
    paths = [engine.world.files.stack_path(path) for path in installed.compose_files]
    return project(engine.settings, paths, installed.image_tag)


def _hold(
    engine: Engine, plan: Plan, release: VerifiedRelease, model: Model | None, stuck: str
) -> Hold:
    """How users would be kept from noticing, as far as it is known before anything is pulled."""
    world, settings, installed = engine.world, engine.settings, engine.journal.installed
    if installed is None or model is None or not plan.holds:
        return Hold(Way.IN_USE, (), "nothing runs yet")
    networks = world.stack.replaced_networks(_as_laid(engine, installed))
    images = release.manifest.images.values() if release.manifest else ()
    wanted = {one.repository: one.reference for one in images}
    changed = {
        name
        for name, pin in installed.pins.items()
        if wanted.get(repository(pin.image), pin.image) not in {pin.image, pin.digest}
    }
    if release.manifest is None:
        changed = set(installed.pins) - {*settings.stack.own_ingress, settings.database.service}
    containers = world.stack.containers(settings.stack.project)
    ahead = Ahead(plan, model, frozenset(changed), containers, stuck=stuck, networks=networks)
    return plan_hold(world, settings, ahead)


def _database(engine: Engine) -> int | None:
    stack, database = engine.settings.stack, engine.settings.database
    try:
        return engine.world.database.size(DatabaseAt(stack.project, database.service))
    except RetryLater:
        return None  # it does not run; the update would find out


def _of_the_machine(engine: Engine, model: Model | None) -> Iterator[str]:
    """What the machine cannot give to what runs; the release's own needs are not known yet."""
    if model is None:
        return
    for one in objections(model, engine.settings.stack.project, engine.world.stack.host()):
        yield f"the update would not begin: {one.words}; {one.advice}"


def _of_the_database(engine: Engine, plan: Plan) -> Iterator[str]:
    """What would keep the update from being made, and what would be lost if it went back."""
    stack, database = engine.settings.stack, engine.settings.database
    if Step.POINT not in plan.steps:
        return
    try:
        state = engine.world.database.state(DatabaseAt(stack.project, database.service))
    except RetryLater:
        return
    for error in against_a_point(state):
        yield f"the update would not begin: {error.message}; {error.advice}"
    for lost, advice in lost_by_a_way_back(state):
        yield f"{lost}; {advice}"


def _notes(engine: Engine, hold: Hold, untried: bool) -> Iterator[str]:  # noqa: FBT001 - a fact
    live = engine.journal.live()
    if live is not None:
        yield f"the {live.kind} of {live.tag} is brought to its end first"
    room = engine.settings.hold.image
    if hold.rooms and engine.world.images.find(room) is None:
        name = room.split("@")[0]
        yield f"{name} is to be pulled as well; if it cannot be, users notice the update"
    if hold.rooms and untried:
        yield "whether the ingress hands its routes over was not tried here yet; else users notice"
