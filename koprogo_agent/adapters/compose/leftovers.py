"""What a compose that was killed in the middle leaves behind."""

from __future__ import annotations

import re

from koprogo_agent import docker_api
from koprogo_agent.adapters.compose.containers import REPLACES, Entry, of_services, one_offs

_TEMPORARY = re.compile(r"[0-9a-f]{12}_(?P<name>.+)")


def settle_recreated(host: str, project_name: str) -> None:
    """Ends a recreation that was cut short, before the next one.

    Compose recreates `app` by creating `<id>_app`, removing the old one and renaming. Killed in
    between, it later finds its own half-made container good enough, starts it, and leaves it its
    name for ever: nobody finds `app` by its `container_name` any more.
    """
    known = {one.name: one for one in of_services(host, project_name)}
    for entry in known.values():
        if proper := _proper_name(entry):
            _settle(host, entry, known.get(proper), proper)


def _proper_name(entry: Entry) -> str | None:
    temporary = _TEMPORARY.fullmatch(entry.name)
    return temporary["name"] if temporary and REPLACES in entry.labels else None


def _settle(host: str, half_made: Entry, old: Entry | None, proper: str) -> None:
    with docker_api.client(host) as api:
        if old is None:
            api.rename(half_made.id, proper)
        elif half_made.state == "created":
            # without its volumes: an anonymous one with the old container's data is in both
            api.remove_container(half_made.id, force=True)


def end_one_offs(host: str, project_name: str, name: str) -> None:
    """Kills and removes a one-off container of the agent's; absent already is success."""
    from docker.errors import NotFound  # noqa: PLC0415 - what an idle daemon does not need

    for entry in one_offs(host, project_name):
        if entry.name == name:
            with docker_api.client(host) as api:
                try:
                    api.remove_container(entry.id, v=True, force=True)
                except NotFound:
                    continue
