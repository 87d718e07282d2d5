"""Paths in a rendered compose model, while a release's files do not lie where they belong yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def relocated(value: Any, here: str, there: str) -> Any:  # noqa: ANN401 - JSON
    """Give every path at or below `here` as one at or below `there`."""
    if isinstance(value, Mapping):
        return {key: relocated(one, here, there) for key, one in value.items()}
    if isinstance(value, list):
        return [relocated(one, here, there) for one in value]
    if isinstance(value, str) and (value == here or value.startswith(f"{here}/")):
        return there + value[len(here) :]
    return value


def with_mounts_at(model: Mapping[str, Any], place: Callable[[str], str]) -> dict[str, Any]:
    """Return a model whose containers mount the same files from where they can be read.

    Args:
        model: the rendered compose model.
        place: from the path of a file or folder to the one where it is now.
    """
    services = {
        name: service | _only("volumes", [_mount(one, place) for one in service.get("volumes", ())])
        for name, service in model.get("services", {}).items()
    }
    stores = {
        kind: {name: _store(one, place) for name, one in model[kind].items()}
        for kind in ("configs", "secrets")
        if kind in model
    }
    return {**model, "services": services, **stores}


def escaped(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return rendered values as they are written in a compose file: `$` means itself as `$$`."""
    written: dict[str, Any] = json.loads(json.dumps(document).replace("$", "$$"))
    return written


def _only(key: str, values: list[Any]) -> dict[str, Any]:
    return {key: values} if values else {}


def _mount(mount: Mapping[str, Any], place: Callable[[str], str]) -> dict[str, Any]:
    source = {"source": place(mount["source"])} if mount.get("type") == "bind" else {}
    return {**mount, **source}


def _store(entry: Mapping[str, Any], place: Callable[[str], str]) -> dict[str, Any]:
    return {**entry, **({"file": place(entry["file"])} if "file" in entry else {})}
