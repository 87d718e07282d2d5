"""A bare Debian that boots systemd, as a container on the lab's engine: a machine of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from koprogo_agent.adapters.postgres.channel import Program
from koprogo_agent.adapters.postgres.channel import run as run_in
from tests.lab import debian_image
from tests.lab.engine import Engine
from tests.lab.processes import LabError, wait_until

if TYPE_CHECKING:
    from docker.models.containers import Container

BOOT_SECONDS = 60.0
SILENCE_SECONDS = 300.0
JOURNAL_LINES = 80
ASK_AGAIN_SECONDS = 3.0
"""A question typed there costs the engine a process and a namespace, or a Python's whole start."""
_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Said:
    """What a command printed, then what it complained of; and how it ended."""

    code: int
    text: str


class Debian:
    """One machine, inside a `with` block; its network is that of the lab.

    There may be several on one engine.
    """

    def __init__(
        self, engine: Engine, name: str, shared: Mapping[Path, str], suite: str = "bookworm"
    ) -> None:
        """Say what it is to be like.

        Args:
            engine: where it runs.
            name: of its container; begins with a lab's name, so that it goes with the lab.
            shared: folders and files of this machine -> where they are in that one, writable.
            suite: Debian's release.
        """
        self._engine = engine
        self._client = engine.client()
        self._name = name
        self._shared = shared
        self._suite = suite
        self._container: Container | None = None

    def __enter__(self) -> Self:
        """Makes it and boots it."""
        try:
            with debian_image.bare(self._engine, self._suite) as image:
                self._container = self._make(image)
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Throws it away."""
        if self._container is not None:
            self._container.remove(force=True, v=True)
        debian_image.forget(self._engine, self._suite)
        self._client.close()

    def _make(self, image: str) -> Container:
        shared = {**self._shared, _GROUPS: str(_GROUPS)}
        volumes = {str(here): {"bind": there, "mode": "rw"} for here, there in shared.items()}
        return self._client.containers.create(
            image,
            "/lib/systemd/systemd",
            name=self._name,
            network_mode="host",
            cgroupns="host",
            cap_add=["ALL"],
            cap_drop=["SYS_RESOURCE"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108 - in the container
            volumes=volumes,
        )

    def boot(self) -> None:
        """Starts it, on its disk as it was, and waits until systemd has started everything."""
        assert self._container is not None
        self._container.start()
        # It may still be starting things then: a rescue that watches a trial takes minutes.
        booted = "systemctl is-active --quiet multi-user.target"
        self.awaits(booted, BOOT_SECONDS, "the machine to boot")

    def cut_power(self) -> None:
        """Kills all that runs on it at once, and nothing on it can write any more.

        The kernel is that of the lab's machine: it still writes what was written and not synced.
        """
        assert self._container is not None
        self._container.kill()
        self._container.wait()

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Asks something of the machine until it holds; LabError after so many seconds.

        What a shell there can see is better awaited by `awaits`.
        """
        wait_until(condition, seconds, f"{what} on {self._name}", ASK_AGAIN_SECONDS)

    def awaits(self, condition: str, seconds: float, what: str) -> None:
        """Has a shell there look until a command succeeds; LabError after so many seconds.

        The error has the end of the machine's journal.
        """
        looks = f"until {condition}; do sleep 1; done >/dev/null 2>&1"
        words = ("timeout", str(seconds), "sh", "-c", looks)
        if self._runs(Program(words, {}, seconds + SILENCE_SECONDS)).code:
            journal = self.types("journalctl", "-n", str(JOURNAL_LINES), "--no-pager").text
            raise LabError(f"waited {seconds:g} s in vain for {what} on {self._name}:\n{journal}")

    def types(self, *words: str, environment: Mapping[str, str] | None = None) -> Said:
        """What somebody types as root."""
        return self._runs(Program(words, environment or {}, SILENCE_SECONDS))

    def _runs(self, program: Program) -> Said:
        # Not the SDK's `exec_run`: what a quick program prints first can vanish in it.
        printed = bytearray()
        ended = run_in(self._engine.host, self._name, program, (), printed.extend)
        return Said(ended.exit_code, printed.decode(errors="replace") + ended.complaints)

    def does(self, *words: str, environment: Mapping[str, str] | None = None) -> str:
        """The same, where it must end well; what it printed."""
        said = self.types(*words, environment=environment)
        if said.code:
            raise LabError(f"{' '.join(words)} ended with {said.code}:\n{said.text}")
        return said.text
