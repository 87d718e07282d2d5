"""Paths of a rendered compose model, as they are once its files lie where they belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def relocated(value: Any, here: str, there: str) -> Any:  # noqa: ANN401 - JSON
    """Gives every path at or below `here` as one at or below `there`."""
    if isinstance(value, Mapping):
        return {key: relocated(one, here, there) for key, one in value.items()}
    if isinstance(value, list):
        return [relocated(one, here, there) for one in value]
    if isinstance(value, str) and (value == here or value.startswith(f"{here}/")):
        return there + value[len(here) :]
    return value
