"""Traefik's labels: which services it routes to, and how a waiting room takes their routes.

The rules are those of Traefik's Docker provider (its manual, "Routing and Load Balancing in
Docker"), the same in Traefik 2 and 3: label keys are case-insensitive; a router of higher priority
wins; a name that two containers define differently is void for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "traefik."
ABOVE_ALL = 1_000_000
"""Added to a router's own priority; Traefik's default priority is the length of the rule."""

_HTTP = re.compile(r"traefik\.http\.(routers|services|middlewares)\.([^.]+)\.(.+)", re.IGNORECASE)
_HOST = re.compile(r"Host\(\s*[`\"']([^`\"']+)[`\"']")
_PROVIDER = re.compile(r"--providers\.(\w+)(?:=(.*)|\..*)?$", re.IGNORECASE)
_LABEL_PROVIDERS = frozenset({"docker", "swarm"})
_SEPARATOR = re.compile(r"\s*,\s*")
_SERVER = "loadbalancer.server."
_HEALTH_CHECK = "loadbalancer.healthcheck"
_PLAIN_SCHEMES = frozenset({"", "http"})
_COMPOSE_PROJECT = "com.docker.compose.project"

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Routing:
    """How Traefik routes to one service.

    Attributes:
        hosts: the host names of its routers' rules, in order.
        port: the port that its labels name, or None: Traefik then takes the lowest exposed one.
        obstacle: why a waiting room cannot take its routes, or an empty string.
    """

    hosts: tuple[str, ...]
    port: int | None
    obstacle: str = ""


@dataclass(frozen=True)
class _Label:
    kind: str
    name: str
    option: str
    key: str
    value: str


def routing(labels: Labels) -> Routing | None:
    """How Traefik routes to a container with these labels, or None where it does not."""
    if _switched_off(labels):
        return None
    found = tuple(_http(labels))
    routers = {one.name for one in found if one.kind == "routers"}
    if not routers:
        return None
    rules = {one.name: one.value for one in found if _is(one, "routers", "rule")}
    hosts = tuple(dict.fromkeys(h for rule in rules.values() for h in _HOST.findall(rule)))
    ports = [one.value for one in found if _is(one, "services", f"{_SERVER}port")]
    port = int(ports[0]) if ports and ports[0].isdigit() else None
    return Routing(hosts, port, _obstacle(found, routers - rules.keys()))


def reads_labels(service: Mapping[str, Any]) -> bool:
    """Whether an ingress may find routes in labels, by its service in a compose model.

    Traefik takes its static configuration from one source only. Where that is its command, the
    command names every provider of routes; else it cannot be known from here.
    """
    words = [str(word) for key in ("entrypoint", "command") for word in service.get(key) or ()]
    found = [match for word in words if (match := _PROVIDER.match(word))]
    on = {one[1].lower() for one in found if (one[2] or "").lower() != "false"}
    return not found or bool(on & _LABEL_PROVIDERS)


def rate_limit(labels: Labels) -> float:
    """Requests a second that Traefik lets one client make on average; 0 where there is no limit.

    The lowest of all rate limits in the labels (Traefik's manual, "RateLimit": `average` requests
    in `period`, which is a second unless it is said). A period that cannot be read is no limit.
    """
    found = tuple(_http(labels))
    periods = {one.name: _seconds(one.value) for one in found if _is(one, *_PERIOD)}
    rates = [
        int(one.value) / period
        for one in found
        if _is(one, *_AVERAGE) and one.value.isdigit() and (period := periods.get(one.name, 1.0))
    ]
    return min((rate for rate in rates if rate), default=0.0)


def room_labels(labels: Labels, tag: str, port: int, probe_path: str) -> dict[str, str]:
    """The labels with which a waiting room takes every HTTP route of a container.

    Routers, services and middlewares get names of their own: a release that changes a middleware
    would otherwise void the room's routers too. The room's service has no health check of Traefik's
    own, whose requests would be held.

    Args:
        labels: of the container whose routes are taken; `routing` must name no obstacle.
        tag: put before each name.
        port: on which the room listens.
        probe_path: a path below which the room answers for itself, through the same entry points.
    """
    found = tuple(_http(labels))
    own = {kind: {one.name for one in found if one.kind == kind} for kind in _KINDS}
    taken = dict(_passed_on(labels))
    for one in found:
        if one.kind == "services":
            if not one.option.startswith((_SERVER, _HEALTH_CHECK)):
                taken[_key(one, tag)] = one.value
        elif not _is(one, "routers", "priority"):
            taken[_key(one, tag)] = _renamed(one, own, tag)
    service = f"{tag}{min(own['services'], default='room')}"
    taken[f"traefik.http.services.{service}.{_SERVER}port"] = str(port)
    for name, priority in _priorities(found).items():
        taken[f"traefik.http.routers.{tag}{name}.priority"] = str(ABOVE_ALL + priority)
        taken.setdefault(f"traefik.http.routers.{tag}{name}.service", service)
    return taken | _probe_router(found, tag, service, probe_path)


_AVERAGE = ("middlewares", "ratelimit.average")
_PERIOD = ("middlewares", "ratelimit.period")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_KINDS = ("routers", "services", "middlewares")


def _switched_off(labels: Labels) -> bool:
    return any(k.lower() == "traefik.enable" and v.lower() == "false" for k, v in labels.items())


def _seconds(duration: str) -> float:
    """Seconds of a duration as Go writes it, `1m30s`, or a plain number of them; 0: unreadable."""
    if duration.isdigit():
        return float(duration)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", duration)
    if "".join(number + unit for number, unit in parts) != duration:
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _http(labels: Labels) -> Iterator[_Label]:
    for key, value in sorted(labels.items()):
        if parts := _HTTP.fullmatch(key):
            yield _Label(parts[1].lower(), parts[2], parts[3].lower(), key, value)


def _is(label: _Label, kind: str, option: str) -> bool:
    return label.kind == kind and label.option == option


def _obstacle(found: tuple[_Label, ...], without_rule: set[str]) -> str:
    services = {one.name for one in found if one.kind == "services"}
    schemes = {one.value for one in found if _is(one, "services", f"{_SERVER}scheme")}
    if without_rule:
        return f"router {min(without_rule)} has no rule in its labels"
    if len(services) > 1:
        return f"its labels define {len(services)} services"
    if schemes - _PLAIN_SCHEMES:
        return f"Traefik speaks {min(schemes - _PLAIN_SCHEMES)} to it"
    return ""


def _passed_on(labels: Labels) -> Iterator[tuple[str, str]]:
    """What a provider's constraints may ask for, and Traefik's settings of the container itself."""
    for key, value in labels.items():
        lower = key.lower()
        if lower.startswith(PREFIX):
            if not lower.startswith(("traefik.http.", "traefik.tcp.", "traefik.udp.")):
                yield key, value
        elif key == _COMPOSE_PROJECT or not key.startswith(("com.docker.compose.", "be.koprogo.")):
            yield key, value


def _key(label: _Label, tag: str) -> str:
    option = label.key.split(".", 4)[4]
    return f"traefik.http.{label.kind}.{tag}{label.name}.{option}"


def _renamed(label: _Label, own: Mapping[str, set[str]], tag: str) -> str:
    """The value, with what it refers to under its new name."""
    if _is(label, "routers", "middlewares") or _is(label, "middlewares", "chain.middlewares"):
        names = _SEPARATOR.split(label.value.strip())
        return ",".join(_reference(one, own["middlewares"], tag) for one in names)
    if _is(label, "routers", "service") or _is(label, "middlewares", "errors.service"):
        return _reference(label.value.strip(), own["services"], tag)
    return label.value


def _reference(name: str, own: set[str], tag: str) -> str:
    plain, _, provider = name.partition("@")
    return tag + plain if plain in own and provider in {"", "docker"} else name


def _priorities(found: tuple[_Label, ...]) -> dict[str, int]:
    """Router -> its priority; explicit ones win over the length of the rule, 0 is none."""
    rules = {one.name: len(one.value) for one in found if _is(one, "routers", "rule")}
    explicit = {
        one.name: int(one.value)
        for one in found
        if _is(one, "routers", "priority") and re.fullmatch(r"-?[1-9]\d*", one.value)
    }
    return rules | {name: value for name, value in explicit.items() if name in rules}


def _probe_router(
    found: tuple[_Label, ...], tag: str, service: str, probe_path: str
) -> dict[str, str]:
    """A router without middlewares, at the entry points of the first router."""
    name = f"traefik.http.routers.{tag}probe"
    first = min(_priorities(found))
    made = {
        f"{name}.rule": f"PathPrefix(`{probe_path}`)",
        f"{name}.priority": str(2 * ABOVE_ALL),
        f"{name}.service": service,
    }
    for one in found:
        if one.kind == "routers" and one.name == first:
            if one.option == "entrypoints":
                made[f"{name}.entrypoints"] = one.value
            elif one.option == "tls" or one.option.startswith("tls."):
                made[f"{name}.tls"] = "true"
    return made
