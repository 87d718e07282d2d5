"""A fleet server and its database, each a real process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from koprogo_agent.fleet.store.database import connect
from tests.lab.processes import Daemon, free_port, wait_until

_SECONDS = 30.0
_PROGRAMS = Path("/usr/lib/postgresql")
_USER = "postgres"
NO_LIMITS = {
    "ENROLMENTS": "1000000",
    "ENROLMENTS_PER_ADDRESS": "1000000",
    "REPORTS_PER_ADDRESS": "100000000",
}
"""Settings of a server to which a whole fleet reports from one address."""


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL of this machine's own packages, on a port of its own; its address."""
    programs = max(_PROGRAMS.iterdir(), key=lambda path: float(path.name)) / "bin"
    data, port = folder / "data", free_port()
    data.mkdir(parents=True)
    for each in (folder, data):
        shutil.chown(each, _USER)
    as_user = ("setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups")
    words = ("--auth=trust", "--no-sync", f"--username={_USER}", "-D", str(data))
    subprocess.run([*as_user, programs / "initdb", *words], check=True, capture_output=True)
    served = (programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "")
    running = Daemon([*as_user, *map(str, served)], folder / "log")

    def answers() -> bool:
        words = ("-h", "127.0.0.1", "-p", str(port), "-U", _USER)
        return subprocess.run([programs / "pg_isready", "-q", *words], check=False).returncode == 0

    try:
        running.wait_ready(answers, _SECONDS)
        yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"
    finally:
        running.stop()


@dataclass
class Fleet:
    """A server as `koprogo-fleet serve` runs it.

    Attributes:
        database: its database's address.
        folder: where its log goes.
        settings: more environment variables, without their prefix.
        others: those of what it stands on.
    """

    database: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._running: Daemon | None = None

    @property
    def url(self) -> str:
        """Where it is reported to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Number of the process that serves now."""
        assert self._running is not None
        return self._running.pid

    @property
    def environment(self) -> dict[str, str]:
        """What it is told at its start."""
        given = {
            "DATABASE": self.database,
            "PUBLIC_URL": self.url,
            "PORT": str(self.port),
            **self.settings,
        }
        own = {f"KOPROGO_FLEET_{name}": value for name, value in given.items()}
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **self.others, **own}

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._running = Daemon(self._command("serve"), self.log, self.environment)
        self._running.wait_ready(self.answers, _SECONDS)

    def stop(self) -> None:
        """Ends it as systemd does."""
        assert self._running is not None
        self._running.stop()

    def kill(self) -> None:
        """Ends it as a power cut does."""
        assert self._running is not None
        self._running.kill()

    def type(self, *words: str, answers: str = "") -> str:
        """What `koprogo-fleet WORDS` prints, where somebody answers what it asks."""
        done = subprocess.run(
            self._command(*words),
            env=self.environment,
            input=answers,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def answers(self) -> bool:
        """Whether it says that it is well."""
        try:
            return self.get("/healthz") == '{"status":"ok"}'
        except urllib.error.URLError:
            return False

    def get(self, path: str) -> str:
        """A page."""
        with urllib.request.urlopen(self.url + path, timeout=_SECONDS) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body.decode()

    @property
    def log(self) -> Path:
        """What it has printed."""
        return self.folder / "fleet.log"

    @contextmanager
    def tables(self) -> Iterator[Engine]:
        """Its database, to look at."""
        engine = connect(self.database)
        try:
            yield engine
        finally:
            engine.dispose()

    def wait_until(self, condition: str, *, absent: str = "\0") -> None:
        """Until the metrics hold some words, and others not."""

        def holds() -> bool:
            page = self.get("/metrics")
            return condition in page and absent not in page

        wait_until(holds, _SECONDS, condition)

    @staticmethod
    def _command(*words: str) -> list[str]:
        return [str(Path(sys.executable).parent / "koprogo-fleet"), *words]
