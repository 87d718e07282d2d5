"""One question to a registry, without credentials: what it answers for an image, and when."""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass

from koprogo_agent.adapters.images.reference import DEFAULT_REGISTRY, registry, split
from koprogo_agent.domain.proxy import ProxyRules

_SECONDS = 5.0
_HUB = "registry-1.docker.io"
_LOCAL = ("localhost", "127.")


@dataclass(frozen=True)
class Answer:
    """A registry's answer: its status, and the seconds that it asks us to wait, if it does."""

    status: int
    retry_after: float | None


def ask(reference: str, rules: ProxyRules) -> Answer | None:
    """What the registry answers when asked for an image's manifest; None where it does not."""
    for connection in _connections(reference, rules):
        with (
            closing(connection),
            suppress(OSError, http.client.HTTPException, ssl.SSLError, ValueError),
        ):
            connection.request("HEAD", _path(reference), headers={"Accept": "*/*"})
            answer = connection.getresponse()
            return Answer(answer.status, _seconds(answer.getheader("Retry-After", "")))
    return None


def host_of(reference: str) -> str:
    """The host that serves a registry, with its port where it has another than usual."""
    name = registry(reference)
    return _HUB if name == DEFAULT_REGISTRY else name


def _connections(reference: str, rules: ProxyRules) -> list[http.client.HTTPConnection]:
    host = host_of(reference)
    proxy = rules.proxy_for(f"https://{host}")
    if proxy is None:
        secure = http.client.HTTPSConnection(host, timeout=_SECONDS)
    else:
        secure = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=_SECONDS)
        secure.set_tunnel(host, headers=proxy.headers)
    # as the engine does: only a registry on this machine may be asked without TLS
    plain = [http.client.HTTPConnection(host, timeout=_SECONDS)] if host.startswith(_LOCAL) else []
    return [secure, *plain]


def _path(reference: str) -> str:
    repository, version = split(reference)
    path = repository.removeprefix(f"{registry(reference)}/")
    if registry(reference) == DEFAULT_REGISTRY and "/" not in path:
        path = f"library/{path}"
    return f"/v2/{path}/manifests/{version}"


def _seconds(header: str) -> float | None:
    return float(header) if header.isdecimal() else None
