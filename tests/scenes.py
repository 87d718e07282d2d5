"""What tests on real parts have in common: somebody writes rows while the agent is at work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.runner import Ran
from tests.instance import Instance, Seen
from tests.lab.client import Client, Tally
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.releases import Release
from tests.lab.stack import Stack

Life = tuple[str, object]
"""A container's id, and when it was last started."""


@dataclass(frozen=True)
class Watched:
    """What happened during one tick, and the soak that followed.

    Attributes:
        ran: the operation, if there was one.
        seen: what the watcher saw.
        tally: what a client saw meanwhile.
        before: service -> its container and when that was started, before.
        after: the same, afterwards.
    """

    ran: Ran | None
    seen: Seen
    tally: Tally
    before: dict[str, Life]
    after: dict[str, Life]

    @property
    def outcome(self) -> Outcome | None:
        """How the operation ended."""
        return self.ran.outcome if self.ran else None

    @property
    def replaced(self) -> set[str]:
        """The services that have another container than before, or none."""
        return {
            name
            for name, (identity, _) in self.before.items()
            if self.after.get(name, ("",))[0] != identity
        }

    def kept(self, *services: str) -> bool:
        """Whether these services have the containers that they had."""
        return not self.replaced.intersection(services)

    @property
    def restarted(self) -> set[str]:
        """The same, and those whose container was started again."""
        return {name for name, life in self.before.items() if self.after.get(name) != life}


def lives(stack: Stack) -> dict[str, Life]:
    """Service -> its container and when that was last started."""
    return {
        name: (identity, stack.state(name)["StartedAt"])
        for name, identity in stack.containers().items()
    }


@contextmanager
def writer(stack: Stack) -> Iterator[Client]:
    """Somebody writes rows throughout; none that was acknowledged may be missing afterwards."""
    with Client(stack) as client:
        yield client
    assert client.lost(stack) == frozenset()
    assert client.tally().acknowledged


def watch(instance: Instance) -> Watched:
    """Lets the agent do whatever there is to do, to the soak's end, while somebody writes."""
    stack = instance.lab.stack
    before = lives(stack)
    with writer(stack) as client:
        seen = Seen()
        with instance.engine(seen) as engine:
            ran = engine.tick()
            ran = ran and engine.see_through(ran)
    return Watched(ran, seen, client.tally(), before, lives(stack))


def bring(instance: Instance, kind: Kind) -> tuple[Release, Watched]:
    """Publishes a release and lets the agent act, while somebody writes."""
    release = instance.lab.publisher.publish(kind)
    return release, watch(instance)


def installed(instance: Instance) -> str | None:
    """The installed release."""
    with instance.engine() as engine:
        deployment = engine.journal.installed
    return deployment.tag if deployment else None


def remove_stack(lab: Lab) -> None:
    """Takes the stack away with its data, and the agent with all that it knows."""
    tree, file = lab.stack.tree, lab.stack.env_file
    if tree.exists():
        lab.stack.compose(tree, "down", "--volumes", "--remove-orphans", "--timeout", "2")
        text = file.read_bytes()
        shutil.rmtree(tree)
        file.parent.mkdir(parents=True)
        file.write_bytes(text)
    shutil.rmtree(lab.root / "agent", ignore_errors=True)
