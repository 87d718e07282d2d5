"""Drift: what runs compared with what was applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.gate import Container, too_few
from koprogo_agent.domain.overlay import repository
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.errors import Refused

_AT_REST = {"exited", "created"}
"""States in which the engine leaves a container, and from which starting it helps."""
_MEANT_TO_RUN = {"running", "paused"}
CONFIG_HASH = "com.docker.compose.config-hash"


@dataclass(frozen=True)
class Applied:
    """One service as it was applied.

    Attributes:
        image_id: the engine's id of its image.
        config_hash: compose's hash of its definition.
        running: whether it ran; a one-shot has ended by then, if not in all cases.
        may_end: whether it is a one-shot (`Container.may_end`).
        count: how many containers it had.
        networks: those that each of them was in.
    """

    image_id: str
    config_hash: str
    running: bool
    may_end: bool = False
    count: int = 1
    networks: frozenset[str] = frozenset()


class Change(StrEnum):
    """How a service differs from what was applied."""

    GONE = "gone"
    IMAGE = "image"
    DEFINITION = "definition"
    STATE = "state"


@dataclass(frozen=True)
class Difference:
    """How one service differs from what was applied.

    Attributes:
        words: the same for a person.
        container: its container, or None where it has none.
    """

    service: str
    change: Change
    words: str
    container: Container | None = None


def applied(containers: Iterable[Container]) -> dict[str, Applied]:
    """What runs now, as the thing to compare with later; what is paused is meant to run."""
    return {service: _applied(mine) for service, mine in _by_service(containers).items()}


def differences(
    before: Mapping[str, Applied], containers: Iterable[Container]
) -> tuple[Difference, ...]:
    """What differs now from what was applied; empty when nothing does."""
    now = _by_service(containers)
    found = (_difference(name, old, now.get(name, [])) for name, old in sorted(before.items()))
    return tuple(one for one in found if one)


def not_there(services: Iterable[str]) -> tuple[Difference, ...]:
    """The differences where services that are asked for were not applied, and do not run either."""
    return tuple(
        Difference(name, Change.GONE, f"{name} has {too_few(0, 1)}") for name in sorted(services)
    )


def _by_service(containers: Iterable[Container]) -> dict[str, list[Container]]:
    found: dict[str, list[Container]] = {}
    for one in containers:
        found.setdefault(one.service, []).append(one)
    return found


def _applied(containers: Sequence[Container]) -> Applied:
    first = containers[0]
    return Applied(
        image_id=first.image_id,
        config_hash=first.labels.get(CONFIG_HASH, ""),
        running=all(one.state in _MEANT_TO_RUN for one in containers),
        may_end=first.may_end,
        count=len(containers),
        networks=frozenset.intersection(*(one.networks for one in containers)),
    )


def is_defined(container: Container, config_hash: str) -> bool:
    """Whether compose made a container of the definition with this hash."""
    return bool(config_hash) and container.labels.get(CONFIG_HASH) == config_hash


def older_release(
    difference: Difference,
    installed: Deployment,
    image_tag: str,
    known: Mapping[str, str],
) -> str | None:
    """The older release that a service's image belongs to, or None.

    Args:
        difference: how the service differs.
        installed: the deployment that should run.
        image_tag: how a release's images are tagged (`stack.image_tag`).
        known: image id -> tag of the releases that ran here before.
    """
    now, pin = difference.container, installed.pins.get(difference.service)
    if difference.change is not Change.IMAGE or now is None or pin is None:
        return None
    version = _version(now.image, image_tag)
    if version is not None and repository(now.image) == repository(pin.image):
        runs = installed.version
        return f"v{version}" if runs is not None and version < runs else None
    return known.get(now.image_id)


def may_repair(found: Sequence[Difference], older: Mapping[str, str]) -> bool:
    """Whether putting the stack right can help, and cannot make it worse.

    Not where an unknown or newer image runs: it may have changed the schema, and the installed
    release would not start on it. Not for what the engine restarts anyway.

    Args:
        found: what differs.
        older: service -> the older release that its image belongs to.
    """
    if any(one.change is Change.IMAGE and one.service not in older for one in found):
        return False
    return any(_is_repairable(one, older) for one in found)


def _is_repairable(one: Difference, older: Mapping[str, str]) -> bool:
    match one.change:
        case Change.GONE | Change.DEFINITION:
            return True
        case Change.IMAGE:
            return one.service in older
        case Change.STATE:
            return one.container is not None and one.container.state in _AT_REST


def _version(image: str, image_tag: str) -> Version | None:
    """The version in the tag of an image reference, or None."""
    tag = image.split("@", 1)[0].removeprefix(repository(image)).removeprefix(":")
    before, _, after = image_tag.replace("{tag}", "v{version}").partition("{version}")
    bare = tag.removeprefix(before).removesuffix(after)
    try:
        return parse_version(bare.removeprefix("v"))
    except Refused:
        return None


def _difference(
    service: str, before: Applied, containers: Sequence[Container]
) -> Difference | None:
    for now in containers:
        if found := _changed(service, before, now):
            return found
    if short := too_few(len(containers), before.count):
        since = "" if containers else " any more"
        return Difference(service, Change.GONE, f"{service} has {short}{since}")
    return None


def _changed(service: str, before: Applied, now: Container) -> Difference | None:
    if now.image_id != before.image_id:
        return Difference(service, Change.IMAGE, f"{service} runs another image", now)
    if now.labels.get(CONFIG_HASH, "") != before.config_hash:
        words = f"{service} was made anew with another definition"
        return Difference(service, Change.DEFINITION, words, now)
    lost = sorted(before.networks - now.networks)
    if lost and now.state == "running":
        words = f"{service} is not in the network {lost[0]} any more"
        return Difference(service, Change.DEFINITION, words, now)
    if before.running and now.state != "running" and not _has_done_its_work(now):
        return Difference(service, Change.STATE, f"{service} is {now.state}", now)
    return None


def _has_done_its_work(container: Container) -> bool:
    return container.may_end and container.state == "exited" and container.exit_code == 0
