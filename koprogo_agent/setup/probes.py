"""A probe that asks through the ingress, found by asking as users would.

Where users come in is read from what runs: the host of the router from Traefik's labels, the ports
from the ingress. Only what answers as it should is proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from koprogo_agent.domain.traefik import Routing
from koprogo_agent.ports import HttpProbe, Prober
from koprogo_agent.settings.sections import Probe
from koprogo_agent.setup.stacks import Door

_SCHEMES = ("https", "http")
"""In this order: where there is TLS, that is what users ask."""


def propose(
    usual: Probe, routes: Mapping[str, Routing], doors: Iterable[Door], prober: Prober
) -> Probe | None:
    """The usual probe, which asks through the ingress as well; None where nothing answers so.

    Args:
        usual: asks the service directly, and says what a good answer is.
        routes: service -> how Traefik routes to it.
        doors: where users come in.
        prober: asks.
    """
    route = routes.get(usual.service or "")
    if route is None:
        return None
    for url, host in _places(usual.path, route.hosts, tuple(doors)):
        asked = HttpProbe(usual.name, url, host, usual.status, usual.contains)
        if prober.ask(asked) is None:
            return usual.model_copy(update={"url": url, "host": host})
    return None


def _places(path: str, hosts: Iterable[str], doors: tuple[Door, ...]) -> Iterator[tuple[str, str]]:
    for scheme in _SCHEMES:
        for host in hosts:
            for door in doors:
                yield f"{scheme}://{door.address}{path}", host


def keys(probe: Probe) -> dict[str, Any]:
    """What is written of a probe."""
    return probe.model_dump(mode="json", exclude_defaults=True)
