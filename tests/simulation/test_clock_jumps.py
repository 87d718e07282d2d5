"""The wall clock is wrong by years, and is then put right: nothing waits for the wrong time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import RetryLater
from koprogo_agent.update.status import read_status
from koprogo_agent.wire.report import StateName
from tests.simulation.instance import Instance

DECADE = timedelta(days=3653)
WITHIN_VALIDITY = timedelta(days=60)
"""So far ahead a release has not expired yet, and is tried."""


@pytest.fixture
def settled(tmp_path: Path) -> Instance:
    """A machine on which all is well, but whose clock is about to jump."""
    instance = Instance.new(tmp_path, backup={"daily_at": time(3, 30)})
    instance.install()
    return instance


def put_right(instance: Instance) -> None:
    """The time server is reached at last."""
    instance.scene.clock.skew = timedelta()


def limited(after: float | None) -> Callable[..., None]:
    """A registry that wants us to come back later."""

    def pull(*_: object) -> None:
        raise RetryLater("come back later", code="registry.rate_limited", after=after)

    return pull


def test_a_wait_does_not_outlast_the_wrong_clock(
    settled: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postponed until two months from now: tried again as soon as the clock is right."""
    settled.scene.clock.skew = WITHIN_VALIDITY
    with monkeypatch.context() as patched:
        patched.setattr(settled.scene.images, "pull", limited(None))
        settled.scene.publisher.publish("1.0.1")
        ran = settled.tick()
        assert ran is not None
        assert ran.outcome is Outcome.POSTPONED
    assert settled.tick() is None
    put_right(settled)
    settled.tick()
    assert settled.installed == "v1.0.1"


def test_daily_backups_go_on(settled: Instance) -> None:
    """The last one seems to be of the future: there is one every day all the same."""
    settled.scene.clock.skew = DECADE
    settled.settle()
    made = len(settled.scene.disk.backups())
    assert made
    put_right(settled)
    settled.wait(86_400)
    settled.settle()
    assert len(settled.scene.disk.backups()) == made + 1


def test_a_source_that_fails_is_noticed(settled: Instance) -> None:
    """Failing since ten years from now: after an hour the state is stale all the same."""

    def fail() -> None:
        raise RetryLater("the source is away", code="source.unreachable")

    settled.scene.clock.skew = DECADE
    settled.scene.origin.list_refs = fail  # type: ignore[assignment,method-assign]
    settled.tick()
    put_right(settled)
    for _ in range(2):
        settled.tick()
        settled.wait(3600)
    status = read_status(settled.journal, settled.settings, settled.scene.clock.now())
    assert status.state is StateName.STALE


@pytest.mark.parametrize("asked", [1e9, 1e30])
def test_nobody_can_have_us_wait_for_years(
    settled: Instance, monkeypatch: pytest.MonkeyPatch, asked: float
) -> None:
    """A registry that asks for ten years, or for more than there will ever be, gets a day."""
    with monkeypatch.context() as patched:
        patched.setattr(settled.scene.images, "pull", limited(asked))
        settled.scene.publisher.publish("1.0.1")
        ran = settled.tick()
        assert ran is not None
        assert ran.outcome is Outcome.POSTPONED
    settled.wait(86_000)
    settled.tick()
    assert settled.installed == "v1.0.0"
    settled.wait(500)
    settled.tick()
    assert settled.installed == "v1.0.1"
