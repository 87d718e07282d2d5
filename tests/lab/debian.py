"""A bare Debian that boots systemd, as a container on the lab's engine: a machine of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.lab.engine import Engine, cache_root
from tests.lab.processes import LabError, run, wait_until

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "ca-certificates"),
    *("python3", "python3-venv", "git", "openssh-client", "gpgv"),
)
"""systemd, and what the agent needs: all that this machine can do without a network."""
BOOT_SECONDS = 60.0
MAKE_SECONDS = 600.0
_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    text: str


class Debian:
    """One machine, inside a `with` block; its network is that of the lab."""

    def __init__(self, engine: Engine, name: str, shared: Mapping[Path, str]) -> None:
        """Say what it is to be like.

        Args:
            engine: where it runs.
            name: of its container.
            shared: folders and files of this machine -> where they are in that one, writable.
        """
        self._client = engine.client()
        self._name = name
        self._shared = shared
        self._container: Container | None = None

    def __enter__(self) -> Self:
        """Boots it."""
        shared = {**self._shared, _GROUPS: str(_GROUPS)}
        volumes = {str(here): {"bind": there, "mode": "rw"} for here, there in shared.items()}
        self._container = self._client.containers.run(
            _image(self._client),
            "/lib/systemd/systemd",
            name=self._name,
            detach=True,
            network_mode="host",
            cgroupns="host",
            cap_add=["ALL"],
            cap_drop=["SYS_RESOURCE"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108 - in the container
            volumes=volumes,
        )
        self.wait_booted()
        return self

    def __exit__(self, *_: object) -> None:
        """Throws it away."""
        if self._container is not None:
            self._container.remove(force=True, v=True)
        self._client.close()

    def types(self, *words: str, environment: Mapping[str, str] | None = None) -> Said:
        """What somebody types as root."""
        assert self._container is not None
        done = self._container.exec_run(list(words), environment=dict(environment or {}))
        assert isinstance(done.output, bytes)
        assert done.exit_code is not None
        return Said(done.exit_code, done.output.decode(errors="replace"))

    def does(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """The same, where it must end well; what it printed."""
        said = self.types(*words, environment=environment)
        if said.code:
            raise LabError(f"{' '.join(words)} ended with {said.code}:\n{said.text}")
        return said.text

    def wait_booted(self) -> None:
        """Until systemd has started everything."""
        words = ("systemctl", "is-system-running")
        up = ("running", "degraded")
        wait_until(
            lambda: self.types(*words).text.strip() in up, BOOT_SECONDS, f"{self._name} to boot"
        )


def _image(client: DockerClient) -> str:
    """The bare image; made once, and kept below the cache root."""
    tar = cache_root() / f"debian-{SUITE}.tar"
    if not tar.exists():
        _make(tar)
    with tar.open("rb") as stream:
        said: str = client.api.import_image_from_data(stream.read())
    return str(json.loads(said.splitlines()[-1])["status"])


def _make(tar: Path) -> None:
    debootstrap = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if debootstrap is None:
        raise LabError("there is no debootstrap: install debootstrap")
    root = tar.with_suffix(".root")
    shutil.rmtree(root, ignore_errors=True)
    tar.parent.mkdir(parents=True, exist_ok=True)
    words = (debootstrap, "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root))
    run(words, seconds=MAKE_SECONDS)
    partial = tar.with_suffix(".partial")
    run(("tar", "-C", str(root), "--exclude=./proc/*", "-cf", str(partial), "."))
    partial.replace(tar)
    shutil.rmtree(root)
