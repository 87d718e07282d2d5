"""One instance: where it stands, why it is not updated yet, and what it has told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from koprogo_agent.fleet.domain.instances import Instance
from koprogo_agent.wire.report import Transition


@dataclass(frozen=True)
class Story:
    """What the page of an instance shows.

    Attributes:
        at: the moment.
        instance: as it is known.
        state: as it is counted: the one reported, or how absent it is.
        told: a page of what it has told, newest first.
        before: number from which the next page goes on, or None.
    """

    at: int
    instance: Instance
    state: str
    told: tuple[Transition, ...]
    before: int | None
