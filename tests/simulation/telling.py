"""What an instance of the fake world says of itself."""

from __future__ import annotations

from koprogo_agent.update.status import Status, read_status
from tests.simulation.instance import Instance


def status(instance: Instance) -> Status:
    """What `koprogo-agent status` shows."""
    return read_status(instance.journal, instance.settings, instance.scene.clock.now())


def waits(instance: Instance) -> dict[str, str]:
    """Release -> what it waits for, after one tick."""
    instance.tick()
    return {tag: gate for tag, gate, _ in instance.engine.standing.pending.reasons}


def refused_documents(instance: Instance) -> dict[str, str]:
    """Document of the trust branch -> why it is not believed."""
    trust = status(instance).trust
    assert trust is not None
    return {what: one.code for what, one in trust.refused.items()}


def told(instance: Instance, words: str) -> int:
    """How often the operator was told something with these words in it."""
    return sum(words in f"{title} {body}" for title, body in instance.scene.notifier.told)
