"""What lies in an image: taken out of a container that is made and never started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from koprogo_agent import docker_api
from koprogo_agent.durable import disk_errors, sync_folder
from koprogo_agent.errors import StepFailed

if TYPE_CHECKING:
    import tarfile

    from docker import APIClient

_NAME = "koprogo-agent-unpacking"
_MOST_BYTES = 512 * 1024 * 1024
_MOST_FILES = 500
_CHUNK = 1 << 20


class EngineImageContents:
    """`ports.ImageContents` on the engine of this machine."""

    def __init__(self, host: str = docker_api.DEFAULT_HOST) -> None:
        """`host` is the engine's address, `unix://…`."""
        self._host = host

    def unpack(self, reference: str, folder: str, target: Path) -> None:
        """Copies the files below a folder of a local image, durable before it returns.

        Raises:
            StepFailed: what is there is no tree of plain files, or too large (code
                `image.contents`).
            RetryLater: the engine does not answer.
        """
        import tarfile  # noqa: PLC0415 - not for an idle daemon: half a megabyte

        with docker_api.client(self._host) as api, _container(api, reference) as made:
            path = f"/containers/{made}/archive"
            with docker_api.streamed(self._host, path, path=folder) as stream:
                if stream is None:
                    raise _unusable(f"it has no {folder}")
                try:
                    # The engine keeps the container for as long as there is more to be read.
                    with tarfile.open(fileobj=stream, mode="r|") as tar:
                        _write(tar, target)
                except tarfile.TarError as error:
                    raise _unusable(f"it cannot be read: {error}") from error


@contextmanager
def _container(api: APIClient, reference: str) -> Iterator[str]:
    """A container of an image; its command is never run."""
    from docker.errors import NotFound  # noqa: PLC0415 - not for an idle daemon

    def remove() -> None:
        try:
            api.remove_container(_NAME, force=True)
        except NotFound:
            return

    remove()  # one that an agent left that was killed
    try:
        made = api.create_container(reference, ["nothing"], name=_NAME, network_disabled=True)
        yield made["Id"]
    finally:
        remove()


def _write(tar: tarfile.TarFile, target: Path) -> None:
    files, size = 0, 0
    for member in tar:
        # The engine gives the folder itself first, and every name below it begins with its name.
        inner = PurePosixPath(member.name).parts[1:]
        if member.isdir():
            continue
        source = tar.extractfile(member) if member.isreg() else None
        if source is None or not inner or ".." in inner:
            raise _unusable(f"{member.name[:80]!r} is no plain file")
        files, size = files + 1, size + member.size
        if files > _MOST_FILES or size > _MOST_BYTES:
            raise _unusable(f"it has more than {_MOST_FILES} files, or {_MOST_BYTES} bytes")
        with disk_errors(f"write below {target}"):
            _copy(source, target.joinpath(*inner), target, 0o755 if member.mode & 0o100 else 0o644)


def _copy(source: IO[bytes], path: Path, top: Path, mode: int) -> None:
    for folder in reversed(path.relative_to(top).parents[:-1]):
        (top / folder).mkdir(exist_ok=True)
        (top / folder).chmod(0o755)
    with path.open("xb") as file:
        while piece := source.read(_CHUNK):
            file.write(piece)
        file.flush()
        os.fchmod(file.fileno(), mode)  # not by the umask: a service's may be 0077
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _unusable(why: str) -> StepFailed:
    return StepFailed(f"what the image holds cannot be used: {why}", code="image.contents")
