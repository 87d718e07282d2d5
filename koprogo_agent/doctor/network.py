"""The way out of this network: the proxy that the agent uses, and the one that the engine uses."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from koprogo_agent import docker_api
from koprogo_agent.adapters.images.question import host_of
from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.domain.proxy import Proxy, ProxyRules, covers
from koprogo_agent.errors import AgentError
from koprogo_agent.settings.network import remarks

_SECONDS = 10.0
_DROP_IN = "/etc/systemd/system/docker.service.d/proxy.conf"
_SECTION = "check proxy below [network]; then: koprogo-agent config check"
_ENGINE = "engine's proxy"


def proxy(patient: Patient) -> Iterator[Finding]:
    """The proxy of the settings can be reached; whether git works through it, `source` says."""
    for remark in remarks(patient.settings, os.environ):
        yield warning("proxy", remark, "look: koprogo-agent config show")
    given = patient.settings.network.rules.proxy
    if given is not None:
        yield _reached(given)


def _reached(given: Proxy) -> Finding:
    try:
        with socket.create_connection((given.host, given.port), timeout=_SECONDS):
            return good("proxy", f"{given.address} answers")
    except socket.gaierror:
        said = f"{given.address}: its name cannot be resolved"
        return fault("proxy", said, f"look: getent hosts {given.host}; {_SECTION}")
    except ConnectionRefusedError:
        said = f"{given.address} refuses connections: no proxy listens on port {given.port} there"
    except TimeoutError:
        said = f"{given.address} does not answer within {_SECONDS:g} s"
    except OSError as error:
        said = f"{given.address} cannot be reached: {error.strerror}"
    return fault("proxy", said, _SECTION)


def engine_proxy(patient: Patient) -> Iterator[Finding]:
    """The Docker engine, which pulls the images, asks registries by the same way as the agent."""
    settings = patient.settings
    try:
        info = docker_api.read(patient.host, "/info")
        images = {one.image for one in patient.world.stack.containers(settings.stack.project)}
    except AgentError:
        return  # of which the check of the engine tells
    yield from of_engine(info, settings.network.rules, images)


def of_engine(info: Mapping[str, Any], rules: ProxyRules, images: Iterable[str]) -> list[Finding]:
    """What there is to say of the engine's own proxy.

    Args:
        info: what the engine says of itself; names and passwords in it are masked.
        rules: those of the settings.
        images: references of images whose registries are asked.
    """
    own = str(info.get("HttpsProxy") or "")
    hosts = sorted({host_of(image) for image in images if not image.startswith("sha256:")})
    names = [urlsplit(f"//{host}").hostname or host for host in hosts]
    if rules.proxy is None:
        said = f"the engine pulls through {_shown(own)}; the agent has no proxy, and asks directly"
        return [good(_ENGINE, said)] if own else []
    advice = _what_to_type(rules.proxy, rules.exceptions)
    needing = [name for name in names if not rules.is_direct(name)]
    if not own:
        if names and not needing:
            said = f"it has none, and needs none: no_proxy covers {', '.join(names)}"
            return [good(_ENGINE, said)]
        said = (
            "the engine has none: dockerd pulls the images itself, not through network.proxy,"
            " and where there is no other way out every update waits for its images"
        )
        return [warning(_ENGINE, said, advice)]
    found = []
    if _place(own) != (rules.proxy.host.lower(), rules.proxy.port):
        said = f"the engine pulls through {_shown(own)}, the agent asks {rules.proxy.address}"
        found.append(warning(_ENGINE, said, f"if that is not on purpose: {advice}"))
    excepted = tuple(one for one in str(info.get("NoProxy") or "").split(",") if one)
    lost = [name for name in names if rules.is_direct(name) and not covers(excepted, name)]
    if lost := [name for name in lost if not ProxyRules(rules.proxy).is_direct(name)]:
        said = (
            f"the engine asks {', '.join(lost)} through its proxy, although no_proxy names it:"
            " a proxy may not reach a registry of this network"
        )
        found.append(warning(_ENGINE, said, advice))
    return found or [good(_ENGINE, f"the engine pulls through {_shown(own)}")]


def _what_to_type(given: Proxy, exceptions: tuple[str, ...]) -> str:
    """How dockerd is given the same proxy; name and password are for the operator to fill in."""
    place = given.address.removeprefix("http://")
    url = f"http://{'NAME:PASSWORD@' if given.user else ''}{place}"
    direct = ",".join(("localhost", "127.0.0.1", *exceptions))
    return (
        f"write to {_DROP_IN} the line [Service] and below it"
        f' Environment="HTTPS_PROXY={url}" "HTTP_PROXY={url}" "NO_PROXY={direct}", then type:'
        f" chmod 600 {_DROP_IN}; systemctl daemon-reload; systemctl restart docker"
        " (which restarts the containers)"
    )


def _place(url: str) -> tuple[str, int]:
    """Host and port of a proxy as the engine tells it, with or without a scheme."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = None
    return (parts.hostname or "").lower(), port or (443 if parts.scheme == "https" else 80)


def _shown(url: str) -> str:
    """The address of a proxy without what stands before its host."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
