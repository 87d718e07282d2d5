"""Two stacks of the same kind side by side: one kept by the agent, one by plain Compose.

Each has releases of its own, so that no image that one pulls is there already for the other.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tests.instance import Instance
from tests.lab.client import Client, Tally
from tests.lab.lab import Lab
from tests.lab.processes import LabError, free_port, run
from tests.lab.recipes import Kind
from tests.lab.stack import UP_SECONDS, Stack

SHIPPED_GATE = {"samples": 3, "interval": 2, "deadline": 180, "max_deadline": 1800}
BARE: Mapping[str, Mapping[str, Any]] = {
    "gate": SHIPPED_GATE,
    "rehearsal": {"when": "never"},
    "backup": {"before_update": False},
}
"""The gate as it is shipped, and neither backup nor rehearsal."""

CALM_SECONDS = 0.7
"""A client is there before and after, so that the edges of an outage are seen."""

PADDING_FILES, PADDING_BYTES = 2_900, 1_700


@dataclass(frozen=True)
class Users:
    """What users do.

    Attributes:
        rate: requests a second.
        writes: the share of them that writes a row.
        connections: that they keep open, all of them from the beginning.
    """

    rate: float
    writes: float
    connections: int


QUIET = Users(50, 0.5, 6)


@dataclass(frozen=True)
class Update:
    """One update, as it was seen from outside and, if the agent did it, from inside.

    Attributes:
        seconds: from the moment the tag could be seen until all was done.
        tally: what users saw.
        lost: rows that were acknowledged to them, and are not there.
        steps: the agent's steps and how long they took.
        facts: what the steps learned.
        git_bytes: what went to and from the git server, both ways together.
        outcome: how it ended.
        cause: why, where it did not end well.
        ingress_restarted: whether the ingress was started anew meanwhile, which no release asked
            for.
    """

    seconds: float
    tally: Tally
    lost: int
    steps: Mapping[str, float]
    facts: Mapping[str, Mapping[str, Any]]
    git_bytes: int
    outcome: str
    cause: str = ""
    ingress_restarted: bool = False


@dataclass(frozen=True)
class Listing:
    """One question for the tags at the source: how many there are, and the bytes both ways."""

    tags: int
    bytes: int


class Agent:
    """The agent's process; `tick` has it do what there is to do."""

    def __init__(self, instance: Instance) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.worker"],
            env={**instance.environment, "PYTHONPATH": str(Path.cwd())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def tick(self) -> dict[str, Any]:
        """One tick of the daemon's."""
        assert self._process.stdin is not None
        self._process.stdin.write("tick\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LabError("the agent's process has ended; see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Site:
    """A lab with two stacks, on a repository of KoproGo's size.

    Attributes:
        kept: the agent's instance.
        plain: the stack that Compose alone keeps.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.plain: Stack = replace(
            lab.stack,
            name=f"{lab.name}-plain",
            directory=lab.root / "plain",
            http_port=free_port(),
        )
        lab.publisher.pad(PADDING_FILES, PADDING_BYTES)
        self.kept = Instance.create(lab, **BARE)

    @property
    def stack(self) -> Stack:
        """The agent's stack."""
        return self.lab.stack

    def install(self) -> int:
        """Brings both stacks up; gives the bytes that the agent's first release cost from git."""
        release = self.lab.publisher.publish(Kind.GOOD)
        self.stack.write_env(release.version)
        before = self.lab.origin.front.traffic()
        with Agent(self.kept) as agent:
            _require(agent.tick(), "committed")
        cost = (self.lab.origin.front.traffic() - before).bytes
        self._lay_plain(Kind.GOOD)
        # Compose gives up on a database whose first start is slow, and finds it healthy later.
        with suppress(LabError):
            self.plain.up(self._tree)
        self.plain.up(self._tree)
        return cost

    def settle(self) -> None:
        """The agent catches up with what Compose was given, so that it has nothing to do."""
        with Agent(self.kept) as agent:
            while agent.tick()["outcome"]:
                continue

    def clone_bytes(self) -> int:
        """What a plain shallow clone of the newest release brings over the same connection."""
        front, target = self.lab.origin.front, self.lab.root / "clone"
        before = front.traffic()
        tag = self.lab.publisher.releases[-1].tag
        words = ("clone", "--quiet", "--bare", "--depth=1", "--branch", tag)
        self._git(*words, self.lab.origin.url, str(target))
        shutil.rmtree(target)
        return (front.traffic() - before).bytes

    def listing(self) -> Listing:
        """What `git ls-remote` without the agent finds, and what it costs."""
        front = self.lab.origin.front
        before = front.traffic()
        lines = self._git("ls-remote", "--tags", "--refs", self.lab.origin.url).splitlines()
        return Listing(len(lines), (front.traffic() - before).bytes)

    def _git(self, *words: str) -> bytes:
        env = {"PATH": os.environ["PATH"], "GIT_SSL_CAINFO": str(self.lab.origin.ca_file)}
        return run(["git", *words], env=env)

    def by_agent(self, agent: Agent, kind: Kind = Kind.GOOD) -> Update:
        """A release appears, and the agent installs it.

        Raises:
            LabError: it has not.
        """
        update = self.attempt(agent, kind)
        _require({"outcome": update.outcome, "cause": update.cause}, "committed")
        return update

    def attempt(self, agent: Agent, kind: Kind, users: Users = QUIET) -> Update:
        """A release appears, and the agent does what it does, however that ends."""
        front, started = self.lab.origin.front, self._ingress_started()
        with client(self.stack, users) as one:
            draft = self.lab.publisher.draft(kind)
            before = front.traffic()
            self.lab.publisher.tag(draft)
            began = time.monotonic()
            answer = agent.tick()
            seconds = time.monotonic() - began
            spent = (front.traffic() - before).bytes
        return Update(
            seconds=seconds,
            tally=one.tally(),
            lost=len(one.lost(self.stack)),
            steps=answer["steps"],
            facts=answer["facts"],
            git_bytes=spent,
            outcome=answer["outcome"],
            cause=answer["cause"],
            ingress_restarted=started != self._ingress_started(),
        )

    def by_compose(self, kind: Kind, users: Users = QUIET) -> Update:
        """What the same kind of release takes with `compose pull && up -d --wait`."""
        with client(self.plain, users) as one:
            self._lay_plain(kind)
            began = time.monotonic()
            self.plain.compose(self._tree, "pull", "--quiet")
            wait = ("up", "-d", "--wait", "--wait-timeout", str(UP_SECONDS))
            self.plain.compose(self._tree, *wait, *self.plain.long_lived)
            seconds = time.monotonic() - began
        lost = len(one.lost(self.plain))
        return Update(seconds, one.tally(), lost, {}, {}, 0, "committed")

    def _ingress_started(self) -> object:
        return self.stack.state(self.stack.ingress.service)["StartedAt"]

    @property
    def _tree(self) -> Path:
        return self.plain.tree

    def _lay_plain(self, kind: Kind) -> None:
        release = self.lab.publisher.publish(kind)
        self.lab.export(release, self._tree)
        self.plain.write_env(release.version)


@contextmanager
def client(stack: Stack, users: Users) -> Iterator[Client]:
    """Users who are there a little before and after as well, so that edges are seen."""
    count = users.connections
    with Client(stack, users.rate, writes=users.writes, connections=count, opened=count) as one:
        time.sleep(CALM_SECONDS)
        yield one
        time.sleep(CALM_SECONDS)


def _require(answer: Mapping[str, Any], outcome: str) -> None:
    if answer["outcome"] != outcome:
        raise LabError(f"the update ended {answer['outcome']!r}: {answer['cause']}")
