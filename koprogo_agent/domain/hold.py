"""How users are kept from noticing an exchange of containers (DESIGN, section 7).

Pure: from what is to be exchanged, how the ingress routes and what the database can carry, to one
of five ways. The ways were compared by measurement: docs/decisions/0001-hold.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from koprogo_agent.domain.duration import span
from koprogo_agent.domain.overlay import needs, services
from koprogo_agent.domain.traefik import Routing


class Way(StrEnum):
    """What users meet while containers are exchanged."""

    BESIDE = "beside"
    """The new version serves them from containers beside the old ones."""
    WAIT = "wait"
    """Their requests wait in a waiting room."""
    CLOSED = "closed"
    """The ingress is stopped: they cannot connect."""
    AWAY = "away"
    """What is exchanged is away for as long as it takes to start."""
    IN_USE = "in use"
    """Nothing that they reach is exchanged."""


@dataclass(frozen=True)
class Exchange:
    """What an operation is about to do.

    Attributes:
        depends_on: service -> the services that it needs, of the deployment that runs afterwards.
        changed: the services whose containers are exchanged.
        writers: the services that write to the database.
        ingress: the services that users come in through.
        stops_writers: whether nobody may write meanwhile: the schema changes, or data goes back.
        serving: the services that can serve users now.
        networks: the networks that are made anew, which takes every container off them.
    """

    depends_on: Mapping[str, Collection[str]]
    changed: frozenset[str]
    writers: frozenset[str]
    ingress: frozenset[str]
    stops_writers: bool
    serving: frozenset[str]
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hold:
    """How an exchange is done.

    Attributes:
        way: what users meet.
        rooms: the services that get a waiting room.
        why: the reason for the way, in words.
    """

    way: Way
    rooms: tuple[str, ...] = ()
    why: str = ""


_NOTICED = 0.05
"""Seconds; a shorter wait would be told as 0.0 s."""


@dataclass(frozen=True)
class Met:
    """What users met while containers were exchanged, as far as it was seen.

    Attributes:
        waited: seconds that a request waited at most before it was answered.
        turned_away: requests that waited for as long as they may, and were told to come back.
        away: seconds for which users may have got errors.
    """

    waited: float = 0.0
    turned_away: int = 0
    away: float = 0.0

    def __add__(self, later: Met) -> Met:
        """Both of two holds: the longest wait, and the sums of the rest."""
        return Met(
            max(self.waited, later.waited),
            self.turned_away + later.turned_away,
            self.away + later.away,
        )

    def __str__(self) -> str:
        """The same as people say it."""
        if self.away:
            said = f"users were without it for {span(self.away)} at most"
        elif self.waited >= _NOTICED:
            said = f"users waited {span(self.waited)} at most"
        else:
            said = "no user waited"
        late = self.turned_away
        return f"{said}; {late} request{'s' * (late != 1)} waited too long" if late else said


def choose(
    exchange: Exchange, routes: Mapping[str, Routing], *, against_beside: str, stuck: str = ""
) -> Hold:
    """Chooses the way of an exchange.

    Args:
        exchange: what is done.
        routes: service -> how the ingress routes to it, for services that it routes to.
        against_beside: why the machine cannot carry the new version beside the old one.
        stuck: why the routes of this ingress cannot be moved, where that was found out before.
    """
    if exchange.networks:
        # A waiting room is in the network as well, so that the engine would not remove it.
        named = ", ".join(exchange.networks)
        return Hold(Way.CLOSED, (), f"the network {named} is made anew, with everything in it")
    touched = _touched(exchange)
    if not touched:
        return Hold(Way.IN_USE, (), "nothing is exchanged")
    rooms = tuple(sorted(touched & routes.keys()))
    obstacle = stuck or _obstacle(exchange, routes, rooms)
    if obstacle:
        return Hold(Way.CLOSED if exchange.stops_writers else Way.AWAY, (), obstacle)
    if not rooms:
        return Hold(Way.IN_USE, (), "no service that users reach is exchanged")
    against = _against_beside(exchange, rooms) or against_beside
    if against:
        return Hold(Way.WAIT, rooms, against)
    return Hold(Way.BESIDE, rooms, "the schema stays, and the machine carries both versions")


def _touched(exchange: Exchange) -> frozenset[str]:
    """What is away meanwhile, and what needs it."""
    away = exchange.changed | (exchange.writers if exchange.stops_writers else frozenset())
    return away | _dependents(exchange.depends_on, away)


def _obstacle(exchange: Exchange, routes: Mapping[str, Routing], rooms: tuple[str, ...]) -> str:
    """Why no waiting room can help."""
    if changed := exchange.ingress & exchange.changed:
        return f"the release exchanges the ingress itself ({min(changed)})"
    for name in rooms:
        if routes[name].obstacle:
            return f"{name}: {routes[name].obstacle}"
    if not routes:
        return "the ingress has no routes that can be moved: no labels of Traefik's"
    if exchange.stops_writers and not rooms:
        return "no service that Traefik routes to needs those that write"
    return ""


def _against_beside(exchange: Exchange, rooms: Iterable[str]) -> str:
    """Why the new version cannot serve beside the old one, or an empty string."""
    if exchange.stops_writers:
        return "the schema changes, or data goes back: nobody may write meanwhile"
    needed = {need for name in rooms for need in exchange.depends_on.get(name, ())}
    if shared := (needed & exchange.changed) - set(rooms):
        return f"{min(shared)} is exchanged as well, and others need it"
    if away := sorted(set(rooms) - exchange.serving):
        return f"{away[0]} does not serve now"
    return ""


def _dependents(depends_on: Mapping[str, Collection[str]], names: frozenset[str]) -> frozenset[str]:
    """The services that need one of these, directly or through others."""
    found: set[str] = set()
    while True:
        more = {
            name
            for name, needs in depends_on.items()
            if name not in found and (names | found).intersection(needs)
        }
        if not more:
            return frozenset(found)
        found |= more


def dependencies(model: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Map each service of a rendered compose model to the services that it depends on."""
    return {name: frozenset(needs(service)) for name, service in services(model).items()}
