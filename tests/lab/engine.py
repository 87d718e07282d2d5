"""A Docker engine: the one that already answers, or one of the lab's own."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import docker
from docker.errors import DockerException

from tests.lab.processes import Daemon, LabError, run, wait_until

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
SLOTS = 16
START_SECONDS = 60.0
STOP_SECONDS = 60.0
PROGRAMS = Path(__file__).parent / "programs"
UNFILTERED = Path(__file__).parent / "templates/seccomp.json"
"""Lets containers make every system call.

The engine's own filter would be compiled anew for every healthcheck of every container: a tenth of
all that containers cost the lab.
"""
_MOUNTED_AT = 4
"""Where a line of the kernel's mountinfo says what it is mounted at (proc(5))."""


def cache_root() -> Path:
    """Where engines and image layers are kept from one run to the next."""
    return Path(os.environ.get("KOPROGO_LAB_CACHE", "/var/tmp/koprogo-lab"))  # noqa: S108


def forget_cache() -> None:
    """Remove all that engines and images left below the cache root, but for what is in use."""
    root = cache_root()
    shutil.rmtree(root / "layers", ignore_errors=True)
    for locked in (*root.glob("engines/[0-9]*"), *root.glob("debian")):
        with (locked / "lock").open("wb") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(locked, ignore_errors=True)
    with suppress(OSError):
        (root / "engines").rmdir()
        root.rmdir()


class Engine:
    """A Docker engine to use inside a `with` block.

    Nothing of an engine that was already there is changed. One that is started here has its data
    in a slot below the cache root; a slot is locked while it is used, so that labs can run side
    by side, and kept afterwards, so that the next run finds its images.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        own: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; `root` is where own engines live (default: below `cache_root()`).

        With `own`, one is started even where one answers: for who wants to stop and kill it.
        `environment` adds variables to those of an own engine, such as `HTTPS_PROXY`.
        """
        self._environment = environment or {}
        self._root = root or cache_root() / "engines"
        self._looks = not own
        self._host = ""
        self._slot = Path()
        self._lock: IO[bytes] | None = None
        self._daemon: Daemon | None = None

    @property
    def host(self) -> str:
        """The address to put into DOCKER_HOST."""
        return self._host

    @property
    def owned(self) -> bool:
        """Whether the engine was started here, and so may be stopped, killed and restarted."""
        return self._lock is not None

    def client(self) -> docker.DockerClient:
        """A fresh API client; the caller closes it."""
        return docker.DockerClient(base_url=self._host, timeout=120)

    def answers(self) -> bool:
        """Whether the engine answers now."""
        return _answers(self._host)

    def __enter__(self) -> Self:
        """Find or start the engine."""
        for host in filter(None, (os.environ.get("DOCKER_HOST"), DEFAULT_SOCKET)):
            if self._looks and _answers(host):
                self._host = host
                return self
        if shutil.which("dockerd", path=_path()) is None:
            raise LabError("no Docker engine answers and there is no dockerd: install docker.io")
        self._take_slot()
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the engine if it is the lab's own."""
        self.close()

    def start(self) -> None:
        """Start the own engine (again) and wait until it answers."""
        if not self.owned:
            raise LabError("cannot start an engine that the lab found running")
        self._forget_the_killed()
        command, log = self._command(), self._slot / "dockerd.log"
        environment = {**_engine_environment(self._slot.name), **self._environment}
        self._daemon = Daemon(command, log, environment)
        self._daemon.wait_ready(self.answers, START_SECONDS)

    def stop(self) -> None:
        """Stop the own engine in an orderly way; its containers stop with it."""
        self._running().stop(STOP_SECONDS)

    def kill(self) -> None:
        """Kill the own engine; its containers go on running without it.

        Engine 20.10 ends them when it starts again, and takes those with `unless-stopped` for
        stopped by hand: they stay down until somebody starts them.
        """
        self._running().kill()

    def restart(self) -> None:
        """Stop and start the own engine; containers come back by their restart policy."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the own engine and free its slot; does nothing to an engine that was there."""
        if self._lock is None:
            return
        if self._daemon is not None:
            self._daemon.stop(STOP_SECONDS)
            self._daemon = None
        self._unmount_data()
        self._lock.close()
        self._lock = None

    def _unmount_data(self) -> None:
        """An engine mounts its data onto itself where the machine's root is not a shared mount.

        It may leave it so, and then the folder cannot be removed.
        """
        data = str(self._slot / "data")
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        for _ in [line for line in mounts if line.split(" ")[_MOUNTED_AT] == data]:
            run(["umount", data])

    def _forget_the_killed(self) -> None:
        """A killed engine leaves pid files: its containerd may be dying, or the pid be reused."""
        containerd = self._slot / "exec/containerd/containerd.pid"
        if containerd.exists():
            pid = containerd.read_text().strip()
            wait_until(lambda: not _is_containerd(pid), STOP_SECONDS, "the old containerd to end")
        containerd.unlink(missing_ok=True)
        (self._slot / "dockerd.pid").unlink(missing_ok=True)

    def _running(self) -> Daemon:
        if self._daemon is None:
            raise LabError("cannot stop an engine that the lab did not start")
        return self._daemon

    def _take_slot(self) -> None:
        for number in range(SLOTS):
            slot = self._root / str(number)
            slot.mkdir(parents=True, exist_ok=True)
            lock = (slot / "lock").open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._slot, self._lock = slot, lock
            self._host = f"unix://{slot}/docker.sock"
            return
        raise LabError(f"all {SLOTS} engine slots in {self._root} are in use")

    def _command(self) -> list[str]:
        slot = self._slot
        return [
            shutil.which("dockerd", path=_path()) or "dockerd",
            f"--data-root={slot}/data",
            f"--exec-root={slot}/exec",
            f"--pidfile={slot}/dockerd.pid",
            f"--host=unix://{slot}/docker.sock",
            # A containerd of the machine's own may be shared; the names in it must not be.
            f"--containerd-namespace=koprogo-lab-{slot.name}",
            f"--containerd-plugins-namespace=koprogo-lab-plugins-{slot.name}",
            # Each engine has addresses of its own, and no bridge: all would call it docker0, and
            # two containers of one address on it would be taken for each other.
            "--bridge=none",
            f"--default-address-pool=base=10.213.{int(slot.name) * 16}.0/20,size=24",
            f"--seccomp-profile={UNFILTERED}",
            "--log-level=warn",
            # Containers get SIGKILL after this when the engine stops.
            "--shutdown-timeout=10",
        ]


def _answers(host: str) -> bool:
    try:
        client = docker.DockerClient(base_url=host, timeout=5)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _is_containerd(pid: str) -> bool:
    try:
        return b"containerd" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _engine_environment(slot: str) -> dict[str, str]:
    """Without proxies: everything that a lab engine talks to is on this machine."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return kept | {"PATH": f"{PROGRAMS}:{_path()}", "KOPROGO_LAB_CHAINS": f"KPLAB{slot}"}


def _path() -> str:
    """The path with the administrator's programs, which `su` leaves out."""
    return f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
