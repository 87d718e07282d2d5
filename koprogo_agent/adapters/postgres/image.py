"""Which PostgreSQL an image holds, asked of the image's own programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api
from koprogo_agent.domain.database import ServerImage
from koprogo_agent.errors import RetryLater

if TYPE_CHECKING:
    from docker import APIClient

_NAME = "koprogo-agent-asks-image"
_SECONDS = 60
# The places of the official image, of its Alpine variant, and of what others compile.
_SCRIPT = """
postgres --version
for folder in /usr/share/postgresql/*/extension /usr/local/share/postgresql/extension \
    "$(pg_config --sharedir 2>/dev/null)/extension"
do ls "$folder" 2>/dev/null; done
"""
_NO_SHELL = "executable file not found"
_VERSION = re.compile(r"^postgres \(PostgreSQL\) (\d+)", re.MULTILINE)
_CONTROL = re.compile(r"^(\S+)\.control$", re.MULTILINE)


def server_in(host: str, reference: str) -> ServerImage | None:
    """Which PostgreSQL a local image holds; None where it has no such program, or no shell."""
    with docker_api.client(host) as api:
        return read(_printed(api, reference))


def read(printed: str) -> ServerImage | None:
    """What the script has printed."""
    version = _VERSION.search(printed)
    if version is None:
        return None
    names = frozenset(name.partition("--")[0] for name in _CONTROL.findall(printed))
    return ServerImage(int(version[1]), names or None)


def _printed(api: APIClient, reference: str) -> str:
    from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need

    with _container(api, reference) as made:
        try:
            api.start(made)
        except APIError as error:
            if error.is_client_error() or _NO_SHELL in (error.explanation or ""):
                return ""
            raise
        try:
            api.wait(made, timeout=_SECONDS)
        except OSError as error:  # that of requests is one
            raise RetryLater(
                f"{reference} does not say which PostgreSQL it holds", code="engine.failed"
            ) from error
        said: Any = api.logs(made, stdout=True, stderr=False)
        return bytes(said).decode(errors="replace")


@contextmanager
def _container(api: APIClient, reference: str) -> Iterator[str]:
    """A container of an image, cut off from everything."""
    from docker.errors import NotFound  # noqa: PLC0415 - what an idle daemon does not need

    def remove() -> None:
        with suppress(NotFound):
            # With its volumes: the image of PostgreSQL has one.
            api.remove_container(_NAME, force=True, v=True)

    remove()  # one that an agent left that was killed
    made = api.create_container(
        reference, ["-c", _SCRIPT], name=_NAME, entrypoint=["sh"], network_disabled=True
    )
    try:
        yield made["Id"]
    finally:
        remove()
