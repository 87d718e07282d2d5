"""One operation as the journal keeps it, and what the steps learned on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.hold import Met
from koprogo_agent.domain.plan import Kind, Step
from koprogo_agent.domain.states import State

Facts = Mapping[str, Any]
"""What a step learned, as JSON values: sizes in bytes, times in seconds."""


@dataclass(frozen=True)
class Operation:
    """An operation.

    Attributes:
        id: number in the journal; names of scratch databases carry it.
        kind: why the operation exists.
        tag: the release that it brings.
        fingerprint: what is quarantined when that release fails.
        previous: what ran before, and runs again when the operation fails.
        target: what is to run afterwards; None until it is known (the step `pull`).
        state: where it is.
        facts: what each finished step learned.
        started: when it began.
    """

    id: int
    kind: Kind
    tag: str
    fingerprint: str
    previous: Deployment | None
    target: Deployment | None
    state: State
    started: datetime
    facts: Mapping[Step, Facts] = field(default_factory=dict)

    @property
    def point(self) -> str:
        """Name of the rollback point's database."""
        return f"koprogo_agent_point_{self._number}"

    @property
    def aside(self) -> str:
        """Name under which the database of a failed release is put aside."""
        return f"koprogo_agent_aside_{self._number}"

    @property
    def _number(self) -> str:
        """Never twice the same, also after the journal was lost and counts from 1 again."""
        return f"{self.id}_{self.started:%Y%m%d%H%M%S}"

    @property
    def met(self) -> Met | None:
        """What users met; None while they were not let through again, or nothing kept them out."""
        facts = self.facts.get(Step.RELEASE)
        return None if facts is None else met_of(facts)

    def fact(self, step: Step, name: str) -> Any:  # noqa: ANN401 - JSON values
        """A fact, or None while the step has not learned it."""
        return self.facts.get(step, {}).get(name)


def met_of(facts: Facts) -> Met:
    """What users met, from the facts of the step `release`."""
    return Met(**{one.name: facts[one.name] for one in fields(Met) if one.name in facts})
