"""The hold: whether users will notice updates here, and what would spare them that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from koprogo_agent import docker_api
from koprogo_agent.doctor.finding import Finding, Patient, good, warning
from koprogo_agent.domain.gate import Health
from koprogo_agent.errors import AgentError, RetryLater
from koprogo_agent.update.hold_plan import routes_of
from koprogo_agent.update.holding import ingress_of

_MEGA = 1024**2
_TOO_LITTLE = 128
"""MB; Traefik 3.7 was ended at it after 400 requests had waited for 3 s (measured)."""
_OVERRIDE = "in a compose file of your own (stack.overrides)"


def waiting_room(patient: Patient) -> Iterator[Finding]:
    """The image of the waiting room is here, or can be pulled: without it no request can wait."""
    image = patient.settings.hold.image
    name = image.split("@")[0]
    if patient.world.images.find(image) is not None:
        yield good("waiting room", f"{name} is here")
        return
    advice = "name one that this machine can pull: image below [hold]"
    try:
        published = patient.world.images.published(image)
    except AgentError as error:
        said = f"{name} is not here, and its registry cannot be asked: {error.message}"
        yield warning("waiting room", said, error.advice or advice)
        return
    if published:
        yield good("waiting room", f"{name} is pulled before the first update that needs it")
    else:
        said = f"{name} is not here and not in its registry: users would notice each update"
        yield warning("waiting room", said, advice)


def routes(patient: Patient) -> Iterator[Finding]:
    """A waiting room can take the routes of what users reach."""
    containers = patient.world.stack.containers(patient.settings.stack.project)
    if not containers:
        return
    found = routes_of(containers)
    if not found:
        said = "no service has routes in labels of Traefik's: users notice each update"
        yield warning("routes", said, f"give what users reach such labels, {_OVERRIDE}")
        return
    for name, route in found.items():
        if route.obstacle:
            said = f"{name}: {route.obstacle}; users notice each update of it"
            yield warning("routes", said, f"change its labels, {_OVERRIDE}")
    count = Counter(one.service for one in containers)
    unchecked = {one.service for one in containers if one.health is Health.NONE}
    for name in found:
        if name in unchecked:
            said = f"{name} has no health check: Traefik leads users to it before it serves"
            yield warning("routes", said, f"give it a healthcheck, {_OVERRIDE}")
        if count[name] > 1:
            said = f"{name} has {count[name]} containers: a waiting room leads to one of them only"
            advice = "that one must carry all users while the others are exchanged"
            yield warning("routes", said, advice)


def beside(patient: Patient) -> Iterator[Finding]:
    """The database has connections for two versions side by side."""
    hold = patient.settings.hold
    if not hold.beside:
        return
    try:
        free = patient.world.database.free_connections(patient.database)
    except RetryLater:
        return  # of which the check of the database tells
    if free < hold.connections:
        said = (
            f"it has {free} connections free, of {hold.connections} wanted: requests wait in each"
            " update, as the new version cannot serve beside the old one"
        )
        yield warning("connections", said, f"raise max_connections of PostgreSQL, {_OVERRIDE}")
    else:
        yield good("connections", f"{free} free: the new version can serve beside the old one")


def ingress_memory(patient: Patient) -> Iterator[Finding]:
    """Traefik has memory for requests that wait."""
    settings = patient.settings
    given = settings.hold.ingress_memory if settings.stack.own_ingress else 0
    for container in ingress_of(patient.world, patient.settings):
        details = docker_api.read(patient.host, f"/containers/{container}/json")
        if details is not None:
            yield from of_memory(details, given)


def of_memory(details: Mapping[str, Any], given: int) -> Iterator[Finding]:
    """What there is to say of one container's limit.

    Args:
        details: what the engine tells of it.
        given: MB that the hold gives it at least; 0: nothing.
    """
    limit = int(details["HostConfig"].get("Memory") or 0) // _MEGA
    name = details["Name"].removeprefix("/")
    if "traefik" not in details["Config"]["Image"].lower() or not 0 < limit <= _TOO_LITTLE:
        return
    if given > _TOO_LITTLE:
        yield good("ingress", f"{name} may take {limit} MB, and {given} MB from the first hold on")
    else:
        said = (
            f"{name} may take {limit} MB; Traefik 3.7 was seen to need more when many requests had"
            " waited, and the kernel then ends it, with all connections"
        )
        advice = "give it 384M (deploy.resources.limits) in the compose file that defines it"
        yield warning("ingress", said, advice)
