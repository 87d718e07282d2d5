"""Drift: what runs compared with what was applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from koprogo_agent.domain.gate import Container

CONFIG_HASH = "com.docker.compose.config-hash"


@dataclass(frozen=True)
class Applied:
    """One service as it was applied.

    Attributes:
        image_id: the engine's id of its image.
        config_hash: compose's hash of its definition.
        running: whether it ran; a one-shot has ended by then, if not in all cases.
    """

    image_id: str
    config_hash: str
    running: bool


def applied(containers: Iterable[Container]) -> dict[str, Applied]:
    """What runs now, as the thing to compare with later."""
    return {
        one.service: Applied(one.image_id, one.labels.get(CONFIG_HASH, ""), one.state == "running")
        for one in containers
    }


def differences(before: Mapping[str, Applied], containers: Iterable[Container]) -> tuple[str, ...]:
    """What differs now from what was applied, in words; empty when nothing does."""
    now = {one.service: one for one in containers}
    found = (_difference(name, old, now.get(name)) for name, old in sorted(before.items()))
    return tuple(one for one in found if one)


def _difference(service: str, before: Applied, now: Container | None) -> str:
    if now is None:
        return f"{service} has no container any more"
    if now.image_id != before.image_id:
        return f"{service} runs another image"
    if now.labels.get(CONFIG_HASH, "") != before.config_hash:
        return f"{service} was made anew with another definition"
    if before.running and now.state != "running" and not _has_done_its_work(now):
        return f"{service} is {now.state}"
    return ""


def _has_done_its_work(container: Container) -> bool:
    return container.may_end and container.state == "exited" and container.exit_code == 0
