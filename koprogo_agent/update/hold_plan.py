"""Which way an exchange will be held, from what is exchanged and what the machine can carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from koprogo_agent.domain.drift import CONFIG_HASH
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.hold import Exchange, Hold, choose, dependencies
from koprogo_agent.domain.overlay import fixed, is_made_of, mounted_paths, services
from koprogo_agent.domain.plan import Kind, Plan
from koprogo_agent.domain.states import Course
from koprogo_agent.domain.traefik import Routing, reads_labels, routing
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import DatabaseAt
from koprogo_agent.settings import Settings
from koprogo_agent.update.asked import dropped_services
from koprogo_agent.update.job import Job, as_asked_for, model_of, previous_of
from koprogo_agent.update.standing import Standing
from koprogo_agent.update.world import World


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
        networks: the networks that are made anew.
    """

    plan: Plan
    model: Mapping[str, Any]
    changed: frozenset[str]
    containers: tuple[Container, ...]
    failed: bool = False
    stuck: str = ""
    networks: tuple[str, ...] = ()


def plan_hold(world: World, settings: Settings, ahead: Ahead) -> Hold:
    """Chooses the way of an exchange."""
    stack = settings.stack
    running = (one.service for one in ahead.containers if one.state == "running")
    exchange = Exchange(
        depends_on=dependencies(ahead.model),
        changed=ahead.changed,
        writers=frozenset(stack.writers),
        ingress=frozenset(stack.own_ingress),
        stops_writers=ahead.plan.rewinds_data,
        serving=frozenset(running),
        networks=ahead.networks,
    )
    routes = routes_of(ahead.containers)
    against = "" if exchange.stops_writers else _against_beside(world, settings, ahead, routes)
    stuck = ahead.stuck or _unread(ahead.model, stack.own_ingress)
    return choose(exchange, routes, against_beside=against, stuck=stuck)


def what_is_ahead(job: Job, networks: tuple[str, ...], stuck: str = "") -> Ahead:
    """The exchange that an operation is about to do, at the step `hold`."""
    containers = job.world.stack.containers(job.settings.stack.project)
    back = job.operation.state.course is Course.BACK
    deployment = as_asked_for(job, previous_of(job) if back else job.target)
    made = {one.service: one for one in containers}
    changed = {
        name
        for name, pin in deployment.pins.items()
        if name not in made or not is_made_of(made[name], pin)
    }
    changed |= set(dropped_services(job, deployment))
    if job.operation.kind is Kind.HEAL or back:
        changed |= set(_astray(job, containers))
    model = model_of(job, deployment)
    plan = job.operation.state.plan
    return Ahead(plan, model, frozenset(changed), containers, back, stuck, networks)


def routes_of(containers: Iterable[Container]) -> dict[str, Routing]:
    """Service -> how Traefik routes to it, by the labels of its container."""
    found = ((one.service, routing(one.labels)) for one in containers)
    return {service: one for service, one in found if one is not None}


# --- inside


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
        service = services(ahead.model).get(name, {})
        if mounted_paths(service, ahead.model, root):
            return f"{name} mounts files of the release"
        if alone := fixed(service):
            return f"{name} has {alone}, which two containers cannot have"
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
