"""Values of the domain as JSON text, the form in which the journal keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.plan import Step
from koprogo_agent.update.operation import Facts

T = TypeVar("T")


def deployment_from(document: Mapping[str, Any]) -> Deployment:
    """A deployment from its JSON form, as steps hand it on among their facts."""
    value: Deployment = _adapter(Deployment).validate_python(document)
    return value


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def load(kind: type[T], text: str) -> T:
    """A value from its JSON text."""
    value: T = _adapter(kind).validate_json(text)
    return value


def dump(value: object) -> str | None:
    """The JSON text of a value; None stays None, as the NULL of a column."""
    return None if value is None else _adapter(type(value)).dump_json(value).decode()


def dump_facts(facts: Mapping[Step, Facts]) -> str:
    """The JSON text of what the steps learned."""
    return json.dumps({str(step): dict(known) for step, known in facts.items()})


def load_facts(text: str) -> dict[Step, Facts]:
    """What the steps learned, from its JSON text."""
    return {Step(step): known for step, known in json.loads(text).items()}
