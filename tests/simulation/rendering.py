"""How Compose renders its files: variables, profiles, networks, and the hash of a definition."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from koprogo_agent.domain.shared import own_networks
from koprogo_agent.errors import NeedsOperator, StepFailed
from koprogo_agent.ports import Project
from tests.lab.merging import merged
from tests.simulation import sharing

VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?])([^}]*))?\})")
"""A variable in a compose file: its name, how a value is asked for, and the default."""
_HASHED_OUT = ("depends_on", "scale", "profiles")


@lru_cache(maxsize=64)
def dotenv(text: str) -> dict[str, str | None]:
    """The variables of an env file."""
    return dotenv_values(stream=StringIO(text), interpolate=False)


def named(project: Project, model: Mapping[str, Any]) -> dict[str, Any]:
    """The networks of a model, each with the engine's name."""
    networks = model.get("networks") or {}
    return {
        key: {**(one or {}), "name": (one or {}).get("name", f"{project.name}_{key}")}
        for key, one in networks.items()
    }


def by_name(model: Mapping[str, Any]) -> dict[str, Any]:
    """The same networks by the engine's names."""
    return {one["name"]: one for one in model["networks"].values()}


def definitions(model: Mapping[str, Any]) -> dict[str, str]:
    """The networks that compose makes, by the engine's names, with a hash of each."""
    defined = model["networks"]
    return {defined[key]["name"]: hash_of(defined[key]) for key in own_networks(model)}


def hash_of(spec: Mapping[str, Any]) -> str:
    """Compose's hash of a definition: it looks at mounted paths, not into what they hold."""
    kept = {key: value for key, value in spec.items() if key not in _HASHED_OUT}
    if "deploy" in kept:
        kept["deploy"] = {key: one for key, one in kept["deploy"].items() if key != "replicas"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1024)
def render(
    texts: tuple[str, ...], variables: frozenset[tuple[str, str]], directory: Path
) -> dict[str, Any]:
    """The resolved model of compose files (JSON is YAML).

    Args:
        texts: the files, in order.
        variables: what is known, as names and values.
        directory: what relative mounts are relative to.

    Raises:
        StepFailed: Compose would refuse the files.
        NeedsOperator: a variable has no value.
    """
    known, model = dict(variables), dict[str, Any]()
    for text in texts:
        try:
            document = json.loads(text)
        except ValueError as error:
            raise StepFailed(
                f"compose cannot use the files: {error}", code="compose.invalid"
            ) from error
        model = merged(model, _resolved(document, known))
    chosen = set(known.get("COMPOSE_PROFILES", "").split(","))
    model["services"] = {
        name: sharing.with_implied_needs(one)
        for name, one in model["services"].items()
        if not one.get("profiles") or chosen & {"*", *one["profiles"]}
    }
    sharing.check(model["services"])
    for service in model["services"].values():
        if "default" in (model.get("networks") or {}):
            service.setdefault("networks", {"default": None})
        for mount in service.get("volumes", ()):
            if mount["source"].startswith("./"):
                mount["source"] = str(directory / mount["source"][2:])
    return model


def _resolved(value: Any, known: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _resolved(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one, known) for one in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _value(match, known), value)
    return value


def _value(match: re.Match[str], known: Mapping[str, str]) -> str:
    name, kind, default = match.groups()
    if name is None:
        return "$"
    if known.get(name):
        return known[name]
    if kind and kind.endswith("?"):
        raise NeedsOperator(f"{name} is missing: {default}", code="compose.variable_missing")
    return default if kind else ""
