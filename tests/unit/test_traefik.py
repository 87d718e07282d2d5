"""Traefik's labels: what is routed, and how a waiting room takes the routes."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.traefik import (
    ABOVE_ALL,
    rate_limit,
    reads_labels,
    room_labels,
    routing,
)

BACKEND = {
    "com.docker.compose.project": "docker-compose",
    "com.docker.compose.service": "backend",
    "be.koprogo.agent.release": "v1.0.0",
    "org.example.team": "a",
    "traefik.enable": "true",
    "traefik.docker.network": "inside",
    "traefik.http.routers.backend.rule": "Host(`api.example.org`)",
    "traefik.http.routers.backend.entrypoints": "websecure",
    "traefik.http.routers.backend.tls.certresolver": "letsencrypt",
    "traefik.http.routers.backend.middlewares": "rate-limit, shared@docker,auth@file",
    "traefik.http.services.backend.loadbalancer.server.port": "8080",
    "traefik.http.services.backend.loadbalancer.healthcheck.path": "/health",
    "traefik.http.services.backend.loadbalancer.passhostheader": "true",
    "traefik.http.middlewares.rate-limit.ratelimit.average": "500",
    "traefik.http.middlewares.both.chain.middlewares": "rate-limit,other",
}
PROBE = "/.room/token/"


def taken(**changes: str) -> dict[str, str]:
    """The labels of a room for the backend, some of whose own are otherwise."""
    changed = {key.replace("__", "."): value for key, value in changes.items()}
    return room_labels(BACKEND | changed, "r-", 8081, PROBE)


def test_routing() -> None:
    """Hosts and port as the labels say them."""
    found = routing(BACKEND)
    assert found is not None
    assert (found.hosts, found.port, found.obstacle) == (("api.example.org",), 8080, "")


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"traefik.enable": "true"},
        {**BACKEND, "traefik.enable": "False"},
        {"traefik.tcp.routers.db.rule": "HostSNI(`*`)"},
    ],
    ids=["none", "no router", "switched off", "not HTTP"],
)
def test_what_is_not_routed(labels: dict[str, str]) -> None:
    """No labels, no router, switched off, or another protocol."""
    assert routing(labels) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"traefik.http.routers.other.entrypoints": "web"}, "router other has no rule"),
        ({"traefik.http.services.other.loadbalancer.server.port": "1"}, "define 2 services"),
        ({"traefik.http.services.backend.loadbalancer.server.scheme": "h2c"}, "speaks h2c"),
    ],
)
def test_obstacles(more: dict[str, str], words: str) -> None:
    """What a room cannot stand in for is said, not tried."""
    found = routing(BACKEND | more)
    assert found is not None
    assert words in found.obstacle


def test_a_room_takes_every_route_under_names_of_its_own() -> None:
    """Rules and entry points as they are, priority above all, middlewares as defined."""
    labels = taken()
    router = "traefik.http.routers.r-backend"
    assert labels[f"{router}.rule"] == BACKEND["traefik.http.routers.backend.rule"]
    assert labels[f"{router}.entrypoints"] == "websecure"
    assert labels[f"{router}.tls.certresolver"] == "letsencrypt"
    assert labels[f"{router}.middlewares"] == "r-rate-limit,shared@docker,auth@file"
    assert labels[f"{router}.service"] == "r-backend"
    assert labels[f"{router}.priority"] == str(ABOVE_ALL + len("Host(`api.example.org`)"))
    assert labels["traefik.http.middlewares.r-rate-limit.ratelimit.average"] == "500"
    assert labels["traefik.http.middlewares.r-both.chain.middlewares"] == "r-rate-limit,other"
    assert labels["traefik.http.services.r-backend.loadbalancer.server.port"] == "8081"
    assert labels["traefik.http.services.r-backend.loadbalancer.passhostheader"] == "true"


def test_a_room_has_no_health_check_of_traefiks() -> None:
    """Its requests would be held, and the room be taken for dead."""
    assert not [key for key in taken() if "healthcheck" in key]


def test_a_room_is_no_service_of_the_project_and_no_container_of_the_agents() -> None:
    """What a provider's constraints may ask for comes along; what marks a service does not."""
    labels = taken()
    assert labels["com.docker.compose.project"] == "docker-compose"
    assert labels["org.example.team"] == "a"
    assert labels["traefik.docker.network"] == "inside"
    assert "com.docker.compose.service" not in labels
    assert "be.koprogo.agent.release" not in labels
    assert not [key for key in labels if ".backend." in key]


def test_explicit_priorities_keep_their_order() -> None:
    """Also a negative one; 0 is none, as to Traefik."""
    key = "traefik.http.routers.backend.priority"
    for given, wanted in (("7", 7), ("-3", -3), ("0", len("Host(`api.example.org`)"))):
        labels = room_labels(BACKEND | {key: given}, "r-", 8081, PROBE)
        assert labels["traefik.http.routers.r-backend.priority"] == str(ABOVE_ALL + wanted)


def test_the_probes_router_is_at_the_same_entry_points_without_middlewares() -> None:
    """It shows that the ingress leads here, whatever middlewares would say."""
    labels = taken()
    probe = "traefik.http.routers.r-probe"
    assert labels[f"{probe}.rule"] == f"PathPrefix(`{PROBE}`)"
    assert labels[f"{probe}.entrypoints"] == "websecure"
    assert labels[f"{probe}.tls"] == "true"
    assert int(labels[f"{probe}.priority"]) > ABOVE_ALL + 1000
    assert f"{probe}.middlewares" not in labels
    assert f"{probe}.tls.certresolver" not in labels


def test_several_routers_and_no_service() -> None:
    """Traefik leads them to the container's only service; so does the room."""
    labels = room_labels(
        {
            "traefik.http.routers.a.rule": "Host(`a`)",
            "traefik.http.routers.b.rule": "Host(`b`) && PathPrefix(`/x`)",
        },
        "r-",
        8081,
        PROBE,
    )
    for name in ("a", "b"):
        assert labels[f"traefik.http.routers.r-{name}.service"] == "r-room"
    assert labels["traefik.http.services.r-room.loadbalancer.server.port"] == "8081"


@pytest.mark.parametrize(
    ("words", "reads"),
    [
        (["--providers.docker=true", "--providers.file.filename=/routes.yml"], True),
        (["--providers.docker.exposedbydefault=false"], True),
        (["--Providers.Docker"], True),
        (["--providers.swarm.endpoint=unix:///var/run/docker.sock"], True),
        (["--entrypoints.web.address=:80"], True),
        ([], True),
        (["--providers.file.filename=/routes.yml"], False),
        (["--providers.docker=false", "--providers.file.directory=/routes"], False),
    ],
)
def test_providers_of_routes(words: list[str], *, reads: bool) -> None:
    """Labels are read unless the command has providers, and none that reads them."""
    assert reads_labels({"command": words}) is reads
    assert reads_labels({"command": None, "entrypoint": ["/traefik", *words]}) is reads


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({}, 0.0),
        ({"a.ratelimit.average": "500", "a.ratelimit.burst": "1000"}, 500.0),
        ({"a.ratelimit.average": "500", "b.ratelimit.average": "30"}, 30.0),
        ({"a.ratelimit.average": "90", "a.ratelimit.period": "1m30s"}, 1.0),
        ({"a.ratelimit.average": "90", "a.ratelimit.period": "30"}, 3.0),
        ({"a.ratelimit.average": "50", "a.ratelimit.period": "500ms"}, 100.0),
        ({"a.RateLimit.Average": "500"}, 500.0),
        ({"a.ratelimit.average": "0", "b.ratelimit.average": "30"}, 30.0),
        ({"a.ratelimit.average": "0"}, 0.0),
        ({"a.ratelimit.average": "many"}, 0.0),
        ({"a.ratelimit.average": "90", "a.ratelimit.period": "soon"}, 0.0),
        ({"a.ratelimit.average": "90", "a.ratelimit.period": "0s"}, 0.0),
        ({"a.inflightreq.amount": "3"}, 0.0),
    ],
)
def test_rate_limit(options: dict[str, str], rate: float) -> None:
    """The lowest average; what is no limit, or cannot be read, is none."""
    labels = {f"traefik.http.middlewares.{key}": value for key, value in options.items()}
    assert rate_limit(labels) == pytest.approx(rate)
