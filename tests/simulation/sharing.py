"""What services of a compose model have of each other, as Compose resolves and checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from koprogo_agent.errors import StepFailed

Spec = Mapping[str, Any]

_NAMESPACES = ("network_mode", "ipc", "pid")
_SERVICE = "service:"
_CONTAINER = "container"


def namespaces(service: Spec) -> Iterator[tuple[str, str]]:
    """The namespaces that a service shares, each with the service whose they are."""
    for key in _NAMESPACES:
        mode = str(service.get(key, ""))
        if mode.startswith(_SERVICE):
            yield key, mode.removeprefix(_SERVICE)


def volumes_from(service: Spec) -> Iterator[str]:
    """The services whose volumes a service mounts."""
    names = (entry.partition(":")[0] for entry in service.get("volumes_from", ()))
    return (name for name in names if name != _CONTAINER)


def with_implied_needs(service: Spec) -> dict[str, Any]:
    """A service that also depends on those of which it has something."""
    needs = dict(service.get("depends_on", {}))
    for _, name in namespaces(service):
        needs.setdefault(name, _implied(restart=True))
    for name in volumes_from(service):
        needs.setdefault(name, _implied(restart=False))
    return {**service, "depends_on": needs} if needs else dict(service)


def _implied(*, restart: bool) -> dict[str, object]:
    return {"condition": "service_started", "restart": restart, "required": True}


def check(services: Mapping[str, Spec]) -> None:
    """Refuse what Compose refuses of services that are switched on.

    Raises:
        StepFailed: one has no image, needs one that is not there, or cannot have its name.
    """
    names: dict[str, str] = {}
    for name, one in services.items():
        _check_count(name, one)
        if (chosen := one.get("container_name")) and names.setdefault(chosen, name) != name:
            raise _invalid(f'services.{name}: container name "{chosen}" is already in use')
        if not one.get("image") and not one.get("build"):
            raise _invalid(f'service "{name}" has neither an image nor a build context specified')
        for other, how in one.get("depends_on", {}).items():
            if other not in services and how.get("required", True):
                raise _invalid(f'service "{name}" depends on undefined service "{other}"')


def _check_count(name: str, service: Spec) -> None:
    counts = {service.get("scale"), service.get("deploy", {}).get("replicas")} - {None}
    if len(counts) > 1:
        raise _invalid(f"services.{name}: can't set distinct values on scale and deploy.replicas")
    if max(counts, default=1) > 1 and service.get("container_name"):
        raise _invalid(f"services.{name}: can't set container_name and deploy.replicas")


def _invalid(words: str) -> StepFailed:
    return StepFailed(f"compose cannot use the files: {words}", code="compose.invalid")


def resolved(service: Spec, container_of: Callable[[str], str | None]) -> dict[str, Any]:
    """A service as its container is made: with ids in the place of other services' names.

    Raises:
        StepFailed: one of those has no container.
    """

    def container(name: str) -> str:
        found = container_of(name)
        if found is None:
            words = f"cannot share with service {name}: container missing"
            raise StepFailed(words, code="compose.up_failed")
        return found

    spec = dict(service)
    for key, name in namespaces(service):
        spec[key] = f"{_CONTAINER}:{container(name)}"
    if mounted := list(volumes_from(service)):
        spec["volumes_from"] = [container(name) for name in mounted]
    return spec


def joined_by(spec: Spec) -> Iterator[str]:
    """The ids of the containers whose namespaces a container joins when it starts."""
    for key in _NAMESPACES:
        kind, _, name = str(spec.get(key, "")).partition(":")
        if kind == _CONTAINER:
            yield name


def in_order(services: Mapping[str, Spec], names: Iterable[str]) -> list[str]:
    """Services, each after those of the others that it depends on."""
    left, order = list(names), list[str]()
    while left:
        ready = next(one for one in left if not set(services[one].get("depends_on", {})) & {*left})
        left.remove(ready)
        order.append(ready)
    return order
