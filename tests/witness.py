"""Watches a stack while its agent is killed and started again, over many operations."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.crashing import BEGUN
from tests.instance import Instance
from tests.lab.client import Client
from tests.lab.recipes import Kind
from tests.lab.releases import Release

ROOT = Path(__file__).parents[1]
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Kill:
    """How a run of the agent ended that was to be killed.

    Attributes:
        instant: the last instant that the agent passed: `forward before gate`.
        killed: whether it was still at work when the signal came.
        seconds: from the instant from which the time was counted to the end.
    """

    instant: str
    killed: bool
    seconds: float


@dataclass
class Witness:
    """Watches a stack over many crashes.

    Attributes:
        instance: whose agent crashes.
        client: somebody who writes throughout.
        database: id of the database's container; it must never change.
        ends: how the operations ended.
    """

    instance: Instance
    client: Client
    database: str
    ends: list[str] = field(default_factory=list)

    def start(self, verb: str, instant: str = "") -> subprocess.Popen[str]:
        """An agent in a process of its own, at work."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashing", verb, instant],
            cwd=ROOT,
            env=self.instance.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        heard = ""
        while not heard.endswith(f"{BEGUN}\n"):
            line = process.stdout.readline()
            assert line, f"it did not even begin: {heard}"
            heard += line
        return process

    def killed_at(self, instant: str) -> None:
        """Runs an agent that does not outlive the instant."""
        said, _ = (process := self.start("update", instant)).communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == -signal.SIGKILL, f"not killed {instant}: {said}"

    def killed_within(self, verb: str, seconds: float) -> bool:
        """Kills an agent after so many seconds; tells whether it was still at work."""
        process = self.start(verb)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
        assert process.returncode == 0, said
        return False

    def killed_after(self, verb: str, seconds: float, instant: str = "") -> Kill:
        """Kills an agent so many seconds after it has passed an instant, or after its start."""
        process = self.start(verb)
        passed: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process, passed), daemon=True)
        reader.start()
        last, began = "", time.monotonic()
        ends = began + (LONGEST_SECONDS if instant else seconds)
        while (line := _next(passed, ends)) is not None:
            last = line or last
            if instant and line == instant:
                began = time.monotonic()
                ends = began + seconds
            if line == _ENDED:
                break
        took = time.monotonic() - began
        process.kill()
        code = process.wait()
        reader.join()
        assert code in {0, -signal.SIGKILL}, f"it exited {code} after {last}"
        return Kill(last, code != 0, took)

    def recover(self) -> None:
        """The next start, which nobody disturbs."""
        self.act("tick")

    def act(self, verb: str) -> None:
        """Lets an agent do something to its end."""
        said, _ = (process := self.start(verb)).communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 0, said

    def check(self) -> str | None:
        """Nothing is mixed, lost or left; gives the installed release unless all is HELD."""
        stack = self.instance.lab.stack
        assert stack.containers()["postgres"] == self.database
        assert self.client.lost(stack) == frozenset()
        with self.instance.engine() as engine:
            assert engine.journal.live() is None
            self.ends.append(str(engine.journal.past(1)[0].outcome))
            if engine.standing.held is not None:
                return None
            deployment = engine.journal.installed
            assert deployment is not None
            containers = engine.world.stack.containers(stack.name)
            assert {one.service: one.image for one in containers} == {
                name: pin.image for name, pin in deployment.pins.items()
            }
            assert engine.drift() == ()
        assert stack.applied() == list(self._release(deployment.tag).migrations)
        assert stack.state("backend")["Health"]["Status"] == "healthy"  # type: ignore[index]
        return deployment.tag

    def check_nothing_is_left(self) -> None:
        """No scratch database, rehearsal, one-off, half a file, or image that nobody needs."""
        lab, stack = self.instance.lab, self.instance.lab.stack
        names = stack.psql("SELECT datname FROM pg_database WHERE NOT datistemplate")
        assert set(names.splitlines()) == {"koprogo_db", "postgres"}
        with self.instance.engine() as engine:
            kept = [one for one in (engine.journal.installed, engine.journal.previous) if one]
            assert set(engine.world.files.releases()) <= {one.tag for one in kept}
        client = lab.engine.client()
        try:
            mine = [one.name or "" for one in client.containers.list(all=True)]
            images = client.images.list(f"{lab.registry.address}/koprogo/backend")
        finally:
            client.close()
        assert len([name for name in mine if name.startswith(lab.name)]) == len(stack.containers())
        assert len(images) <= len(kept) + 1  # the first one was not brought by the agent
        assert list(self.instance.root.rglob("*.partial")) == []

    def publish(self, kind: Kind) -> Release:
        """A release comes out."""
        return self.instance.lab.publisher.publish(kind)

    def _release(self, tag: str) -> Release:
        return next(one for one in self.instance.lab.publisher.releases if one.tag == tag)


_ENDED = "ended"


def _read(process: subprocess.Popen[str], passed: queue.Queue[str]) -> None:
    """Passes on what an agent prints, until it closes its output."""
    assert process.stdout is not None
    for line in process.stdout:
        passed.put(line.rstrip("\n"))
    passed.put(_ENDED)


def _next(passed: queue.Queue[str], ends: float) -> str | None:
    """The next line, or None once the time is over."""
    try:
        return passed.get(timeout=max(0.0, ends - time.monotonic()))
    except queue.Empty:
        return None
