"""The note by which a hold can be ended without the agent: `systemd/end-hold` reads it.

It is in lines of words, because a shell reads it:

    host unix:///var/run/docker.sock
    project koprogo
    safe 3f1c… 8080

`safe` names a container that users may be led to, and its port. Without such a line users may be
led nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from koprogo_agent.durable import Folder, disk_errors
from koprogo_agent.errors import NeedsOperator

log = structlog.get_logger()

NAME = "hold"
"""The file, in the agent's state directory."""
_FOLDER_MODE = 0o700
_MODE = 0o600


class HoldNote:
    """The note of one instance.

    Args:
        directory: the agent's state directory.
        host: the engine's address.
    """

    def __init__(self, directory: Path, host: str) -> None:
        self._directory = directory
        self._host = host

    def write(self, project_name: str, ports: Mapping[str, int]) -> None:
        """Writes it, unless it says so already: its age tells how long nothing has happened.

        If it cannot be written, there is none: users must not wait for that, and the one before
        may not be true any more.

        Args:
            project_name: the compose project.
            ports: container id -> its port.
        """
        lines = [f"host {self._host}", f"project {project_name}"]
        lines += [f"safe {container} {port}" for container, port in ports.items()]
        content = "".join(f"{line}\n" for line in lines).encode()
        folder = Folder(self._directory, _FOLDER_MODE)
        try:
            with disk_errors(f"write {self._directory / NAME}"):
                if folder.read(NAME) != content:
                    folder.write(NAME, content, _MODE)
        except NeedsOperator as error:
            log.warning("hold.no_note", why=error.message)
            self.remove()

    def remove(self) -> None:
        """Removes it; absent already is success.

        Raises:
            NeedsOperator: the disk does not let it go.
        """
        with disk_errors(f"remove {self._directory / NAME}"), suppress(FileNotFoundError):
            (self._directory / NAME).unlink()
