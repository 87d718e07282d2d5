"""Which way an exchange takes."""

from __future__ import annotations

from typing import Any

import pytest

from koprogo_agent.domain.hold import Exchange, Hold, Met, Way, choose, dependencies
from koprogo_agent.domain.traefik import Routing

ROUTES = {"backend": Routing(("api",), 8080), "frontend": Routing(("app",), 80)}
NEEDS = {
    "traefik": frozenset[str](),
    "postgres": frozenset[str](),
    "minio": frozenset[str](),
    "backend": frozenset({"postgres", "minio"}),
    "frontend": frozenset({"backend"}),
    "worker": frozenset[str](),
}


def way(
    *changed: str,
    stops_writers: bool = False,
    routes: dict[str, Routing] | None = None,
    away: tuple[str, ...] = (),
    against: str = "",
    stuck: str = "",
) -> Hold:
    """The way in which these services are exchanged."""
    exchange = Exchange(
        depends_on=NEEDS,
        changed=frozenset(changed),
        writers=frozenset({"backend"}),
        ingress=frozenset({"traefik"}),
        stops_writers=stops_writers,
        serving=frozenset(NEEDS) - set(away),
    )
    known = ROUTES if routes is None else routes
    return choose(exchange, known, against_beside=against, stuck=stuck)


@pytest.mark.parametrize(
    ("met", "said"),
    [
        (Met(), "no user waited"),
        (Met(waited=0.04), "no user waited"),
        (Met(waited=8.71), "users waited 8.7 s at most"),
        (Met(waited=44.2, turned_away=1), "users waited 44 s at most; 1 request waited too long"),
        (Met(away=31), "users were without it for 31 s at most"),
        (Met(8, 2) + Met(5, 3, 1.5), "users were without it for 1.5 s at most; 5 requests waited"),
    ],
)
def test_what_users_met_in_words(met: Met, said: str) -> None:
    """As it is told to the operator."""
    assert str(met).startswith(said)


def test_a_network_that_is_made_anew_takes_everything_off_it() -> None:
    """A waiting room would be in it as well, and the engine would keep it."""
    exchange = Exchange(
        depends_on=NEEDS,
        changed=frozenset({"backend"}),
        writers=frozenset({"backend"}),
        ingress=frozenset({"traefik"}),
        stops_writers=False,
        serving=frozenset(NEEDS),
        networks=("koprogo-network",),
    )
    found = choose(exchange, ROUTES, against_beside="")
    assert (found.way, found.rooms) == (Way.CLOSED, ())
    assert "koprogo-network" in found.why


def test_beside() -> None:
    """Nobody need wait for a release that changes images only."""
    both = way("backend", "frontend")
    assert (both.way, both.rooms) == (Way.BESIDE, ("backend", "frontend"))
    assert both.why
    assert way("frontend").rooms == ("frontend",)


def test_what_depends_on_the_exchanged_is_beside_too() -> None:
    """A frontend that talks to the backend goes on while that is exchanged."""
    assert way("backend").rooms == ("backend", "frontend")


@pytest.mark.parametrize(
    "hold",
    [
        way("backend", stops_writers=True),
        way("backend", against="no connections"),
        way("minio"),
        way("backend", "postgres"),
        way("backend", away=("backend",)),
    ],
    ids=["schema", "no connections", "storage", "database", "backend down"],
)
def test_wait(hold: Hold) -> None:
    """Where two versions cannot serve side by side, requests wait."""
    assert hold.way is Way.WAIT
    assert "backend" in hold.rooms
    assert hold.why


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize(
    ("changed", "more"),
    [
        (("backend", "traefik"), {}),
        (("backend",), {"routes": {}}),
        (("backend",), {"stuck": "no route"}),
        (("backend",), {"routes": {"backend": Routing((), None, "h2c")}}),
    ],
    ids=["ingress changes", "no labels", "no route", "obstacle"],
)
def test_without_a_room(changed: tuple[str, ...], more: dict[str, object], *, stops: bool) -> None:
    """The ingress is stopped only where nobody may write."""
    hold = way(*changed, stops_writers=stops, **more)  # type: ignore[arg-type]
    assert hold.way is (Way.CLOSED if stops else Way.AWAY)
    assert hold.why
    assert not hold.rooms


def test_what_users_do_not_reach() -> None:
    """A worker is exchanged without a room."""
    assert way("worker").way is Way.IN_USE
    assert way().way is Way.IN_USE


def test_a_schema_change_without_a_routed_writer() -> None:
    """Nobody knows how users reach what writes: the ingress is stopped."""
    lonely = {"other": Routing(("o",), 80)}
    assert way("backend", stops_writers=True, routes=lonely).way is Way.CLOSED


def test_dependencies() -> None:
    """From a rendered model."""
    model: dict[str, Any] = {"services": {"a": {"depends_on": {"b": {}}}, "b": {}}}
    assert dependencies(model) == {"a": frozenset({"b"}), "b": frozenset()}
