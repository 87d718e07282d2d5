"""From a rendered compose model to what runs: pins, levels, expectations.

Compose recreates a container when its definition changes. So each service gets the agent's label
with the release at which its own definition last changed, and never another: what a release does
not change keeps its container. The definition includes the content of the files that are mounted
from the stack's folder, which compose itself does not look at.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from koprogo_agent.domain.deployment import ServicePin
from koprogo_agent.domain.gate import MAY_END, Container, Expectation

RELEASE_LABEL = "be.koprogo.agent.release"

Model = Mapping[str, Any]


def services(model: Model) -> Mapping[str, Mapping[str, Any]]:
    """The services of a model by name."""
    found: Mapping[str, Mapping[str, Any]] = model.get("services", {})
    return found


def without_absent(model: Model) -> dict[str, Any]:
    """Return a model in which services depend only on services that it has.

    Compose renders `required: false` also for services whose profile is off, and leaves those out;
    it would not read such a model again.
    """
    known = services(model)
    kept = {
        name: {one: need for one, need in depends_on(service).items() if one in known}
        for name, service in known.items()
        if depends_on(service)
    }
    changed = {
        name: {**service, "depends_on": kept[name]} if name in kept else service
        for name, service in known.items()
    }
    return {**model, "services": changed}


def repository(reference: str) -> str:
    """The repository of an image reference, without tag and digest."""
    plain = reference.split("@", 1)[0]
    head, colon, tail = plain.rpartition(":")
    return head if colon and "/" not in tail else plain


def mounted_paths(service: Mapping[str, Any], model: Model, root: str) -> tuple[str, ...]:
    """Paths, relative to the stack's folder, of what a service mounts from below it."""
    sources = [mount.get("source", "") for mount in service.get("volumes", ())]
    for kind in ("configs", "secrets"):
        for use in service.get(kind, ()):
            entry = model.get(kind, {}).get(use.get("source", ""), {})
            sources.append(entry.get("file", ""))
    paths = (below(str(source), root) for source in sources)
    return tuple(sorted({path for path in paths if path}))


def unsupported(model: Model) -> tuple[str, ...]:
    """What a model asks for that Compose cannot give, or does not render, in words."""
    uses = [
        (kind, str(use.get("source", "")))
        for service in services(model).values()
        for kind in ("configs", "secrets")
        for use in service.get(kind) or ()
    ]
    external = [
        f"the {kind.removesuffix('s')} {name} is external, and only Swarm has such"
        for kind, name in dict.fromkeys(uses)
        if ((model.get(kind) or {}).get(name) or {}).get("external")
    ]
    # `config --format json` of Compose 5.6 leaves the top-level element out.
    models = [
        f"{name} uses models, which Compose does not render"
        for name, service in services(model).items()
        if service.get("models")
    ]
    return (*external, *models)


def below(source: str, root: str) -> str | None:
    """The path of a source relative to a folder, or None when it does not lie below it."""
    path = PurePosixPath(source)
    if not path.is_absolute() or not path.is_relative_to(root):
        return None
    relative = str(path.relative_to(root))
    return None if relative == "." else relative


def define(
    model: Model, images: Mapping[str, str], files: Mapping[str, str], root: str
) -> dict[str, str]:
    """A hash, for every service of a model, of all that defines its container.

    Args:
        model: the rendered compose model, without any pins.
        images: service -> the image reference that it runs with; a service without one is left
            out, as an adopted stack need not have a container of each.
        files: path -> SHA-256 of the files that are laid in the stack's folder.
        root: the stack's folder.
    """
    return {
        name: _definition(service, images[name], _mounted(service, model, files, root))
        for name, service in services(model).items()
        if name in images
    }


def _mounted(
    service: Mapping[str, Any], model: Model, files: Mapping[str, str], root: str
) -> dict[str, str]:
    mounts = mounted_paths(service, model, root)
    return {
        path: sha256
        for path, sha256 in files.items()
        if any(path == mount or path.startswith(f"{mount}/") for mount in mounts)
    }


def _definition(service: Mapping[str, Any], image: str, mounted: Mapping[str, str]) -> str:
    # What a service waits for does not define its container: compose leaves it out of its own hash.
    definition = {key: value for key, value in service.items() if key != "depends_on"}
    text = json.dumps([definition | {"image": image}, mounted], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def override(pins: Mapping[str, ServicePin], model: Model) -> bytes:
    """The compose file that pins images and carries the agent's labels (JSON is YAML).

    With it, compose starts services in their order and waits for none: the agent does, and need
    not wait until the engine comes to a health check. None of this is in compose's own hash.

    Args:
        pins: service -> how it runs.
        model: the rendered compose model, without any pins.
    """
    entries: dict[str, Any] = {}
    for name, pin in sorted(pins.items()):
        entries[name] = {"image": pin.image}
        if started := _without_waiting(model, name):
            entries[name]["depends_on"] = started
        if pin.release is not None:
            entries[name]["labels"] = {RELEASE_LABEL: pin.release}
        if pin.healthcheck:
            entries[name]["healthcheck"] = dict(pin.healthcheck)
    return json.dumps({"services": entries}, indent=1, sort_keys=True).encode()


def _without_waiting(model: Model, name: str) -> dict[str, dict[str, Any]]:
    """What a service depends on, to be started only; what may be absent may still be."""
    return {
        one: {"condition": "service_started"}
        | {key: need[key] for key in ("required",) if key in need}
        for one, need in sorted(depends_on(services(model).get(name, {})).items())
    }


def fixed(service: Mapping[str, Any]) -> str:
    """What only one container of a service can have at a time, in words, or an empty string."""
    if service.get("network_mode") == "host":
        return "the network of the host"
    networks = [one or {} for one in (service.get("networks") or {}).values()]
    addresses = [one[key] for one in (service, *networks) for key in _ADDRESSES if one.get(key)]
    return f"the fixed address {addresses[0]}" if addresses else ""


_ADDRESSES = ("ipv4_address", "ipv6_address", "mac_address")


def quick_health(service: Mapping[str, Any], *, has_start_interval: bool) -> dict[str, str]:
    """What makes a service healthy soon after it serves: an ingress leads to nothing else.

    Engine 25 and later check often while a container starts (`start_interval`); earlier ones
    accept that key and ignore it, so their interval is shortened: 1.2 % of a processor at 5 s.
    """
    check = service.get("healthcheck") or {}
    if not check.get("test") or check.get("disable") or _seconds(check.get("interval")) <= _SOON:
        return {}
    if not has_start_interval:
        return {"interval": f"{_SOON:g}s"}
    started = _seconds(check.get("start_period"), none=0.0)
    period = {} if started else {"start_period": f"{_SOON * 6:g}s"}
    return {"start_interval": "1s", **period}


_SOON = 5.0
"""Seconds from one health check to the next of a service that an ingress routes to."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _seconds(duration: object, none: float = 30.0) -> float:
    """Seconds of a duration as Compose prints it (`1m30s`); 30 s is Docker's own interval."""
    parts = _DURATION.findall(str(duration)) if duration else []
    return sum(float(count) * _UNITS[unit] for count, unit in parts) if parts else none


def is_made_of(container: Container, pin: ServicePin) -> bool:
    """Whether a container was created with this image and this label."""
    labelled = container.labels.get(RELEASE_LABEL) == pin.release
    return labelled and container.image in {pin.image, pin.reference}


def is_made_by_agent(container: Container) -> bool:
    """Whether the agent made a container, as its label says."""
    return RELEASE_LABEL in container.labels


def expectation(model: Model, without: Iterable[str] = ()) -> Expectation:
    """What must run, and what may end: one-shots, and what others wait for the end of."""
    left = {name: one for name, one in services(model).items() if name not in set(without)}
    awaited = {
        name
        for service in services(model).values()
        for name, need in depends_on(service).items()
        if need.get("condition") == "service_completed_successfully"
    }
    ending = {
        name
        for name, one in left.items()
        if is_one_shot(one) or (name in awaited and restart_policy(one) in MAY_END)
    }
    counts = {name: replicas(one) for name, one in left.items() if replicas(one) != 1}
    return Expectation(
        running=frozenset(left) - ending,
        ending=frozenset(ending),
        ended=frozenset(ending & awaited),
        replicas=counts,
    )


def replicas(service: Mapping[str, Any]) -> int:
    """How many containers compose makes of a service."""
    found = service.get("scale", service.get("deploy", {}).get("replicas"))
    return 1 if found is None else int(found)


def wanted(model: Model) -> frozenset[str]:
    """The services of which compose makes containers: not those that are scaled to nothing."""
    return frozenset(name for name, one in services(model).items() if replicas(one))


def is_one_shot(service: Mapping[str, Any]) -> bool:
    """Whether a service does its work once: nothing restarts it, and it has no health check."""
    check = service.get("healthcheck") or {}
    checked = bool(check.get("test")) and not check.get("disable") and check["test"] != ["NONE"]
    return restart_policy(service) in MAY_END and not checked


def restart_policy(service: Mapping[str, Any]) -> str:
    """The restart policy of a service, in the engine's words."""
    policy = service.get("deploy", {}).get("restart_policy", {}).get("condition")
    if policy is not None:
        return {"none": "no"}.get(policy, str(policy))
    return str(service.get("restart", "no")).split(":", 1)[0]


def levels(model: Model, names: Iterable[str], last: Iterable[str] = ()) -> list[tuple[str, ...]]:
    """Services in the order of starting: each one after those that it depends on.

    Args:
        model: the rendered compose model.
        names: the services; those that the model does not have are left out.
        last: services that come after what depends on them, instead of before it. Not after what
            has to follow them (`followed`): that would follow what was there before.
    """
    known = services(model)
    left = [name for name in dict.fromkeys(names) if name in known]
    late = set(last)
    result: list[tuple[str, ...]] = []
    while left:
        before = set(left) - late
        ready = [
            name
            for name in left
            if not (needs(known[name]) & before or followed(known[name]).intersection(left))
        ]
        level = [name for name in ready if not any(name in needs(known[one]) for one in ready)]
        # A cycle cannot pass compose's own validation; whatever is left then starts together.
        level = level or left
        result.append(tuple(level))
        left = [name for name in left if name not in level]
    return result


def followed(service: Mapping[str, Any]) -> set[str]:
    """The services that one must be started after, where these are made anew.

    It is to be restarted with them, or it has namespaces or volumes of their containers.
    """
    found = {name for name, how in depends_on(service).items() if how.get("restart")}
    found |= {str(entry).split(":", 1)[0] for entry in service.get("volumes_from") or ()}
    modes = (str(service.get(key) or "") for key in ("network_mode", "ipc", "pid"))
    found |= {mode.removeprefix("service:") for mode in modes if mode.startswith("service:")}
    return found & needs(service)


def followers(model: Model, exchanged: Iterable[str], later: Iterable[str]) -> tuple[str, ...]:
    """Those of the later services that compose would restart with the exchanged ones.

    It does so in the same run only (`depends_on` with `restart`).
    """
    names = set(exchanged)
    return tuple(
        one
        for one in later
        if any(depends_on(services(model)[one]).get(name, {}).get("restart") for name in names)
    )


def joined(
    model: Model, order: Iterable[tuple[str, ...]], settled: Iterable[str]
) -> list[tuple[str, ...]]:
    """Levels that may start in one go, in the order of starting.

    Args:
        model: the rendered compose model.
        order: the levels.
        settled: services that are ready, or whose dependents do not wait for them.
    """
    result: list[tuple[str, ...]] = []
    for level in order:
        needed = {need for name in level for need in needs(services(model)[name])}
        if result and not needed.intersection(result[-1]).difference(settled):
            result[-1] += level
        else:
            result.append(level)
    return result


def awaited(
    model: Model, level: Iterable[str], later: Iterable[str], writers: Iterable[str]
) -> frozenset[str]:
    """Those of a level that must be ready before the later services start.

    Nobody waits for a writer: its start may include a long migration, which the gate watches; the
    rest of the stack need not be held up by it.
    """
    needed = {need for name in later for need in needs(services(model)[name])}
    return frozenset(level).intersection(needed) - set(writers)


def needs(service: Mapping[str, Any]) -> set[str]:
    """The services that a service depends on."""
    return set(depends_on(service))


def all_needs(model: Model, names: Iterable[str]) -> set[str]:
    """The services that these depend on, directly or through others."""
    found, waiting = set[str](), list(names)
    while waiting:
        more = needs(services(model).get(waiting.pop(), {})) - found
        found |= more
        waiting += more
    return found


def depends_on(service: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """What a service says of those that it depends on, as compose renders it.

    Compose adds those whose namespaces or volumes it shares, where the service does not say so.
    """
    found: Mapping[str, Mapping[str, Any]] = service.get("depends_on", {})
    return found
