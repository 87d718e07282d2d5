"""The agent exchanges itself: good versions, bad ones, and the power cut between any changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count

import pytest

from koprogo_agent.errors import NeedsOperator, RetryLater
from koprogo_agent.selfupdate.succession import SelfUpdate
from tests.simulation.faults import Killed
from tests.simulation.instance import Instance
from tests.simulation.succeeding import FIRST, LOCKED, Succession, power_cut
from tests.simulation.telling import told
from tests.simulation.trust import ONLINE, freshness

HOUR = 3600.0


@pytest.fixture
def succession(instance: Instance) -> Succession:
    """The first version runs, and the association has an agent's repository."""
    return Succession(instance)


def test_a_newer_version_is_tried_and_blessed(succession: Succession) -> None:
    """Two versions are kept, the floor rises, and people can read what happened."""
    succession.publish("0.2.0")
    old = succession.start()
    assert old.is_due
    assert old.change()
    assert succession.current == "0.2.0"
    new = succession.start()
    assert new.on_trial
    new.bless()
    assert not new.on_trial
    assert not (succession.home / "trial").exists()
    assert (succession.home / "previous").readlink().name == FIRST
    assert succession.versions == {FIRST, "0.2.0"}
    assert succession.events()[-1] == "agent.updated"
    assert not new.change()


def test_the_version_before_the_last_goes(succession: Succession) -> None:
    """A small disk holds two."""
    for version in ("0.2.0", "0.3.0"):
        succession.publish(version)
        assert succession.start().change()
        succession.start().bless()
    assert succession.versions == {"0.2.0", "0.3.0"}


@pytest.mark.parametrize(
    ("tries", "lock", "code"),
    [
        ("echo SyntaxError >&2; exit 1", LOCKED, "agent.unfit"),
        ("exit 0", b"another==1.0\n", "agent.files"),
    ],
)
def test_a_version_that_cannot_work_here_never_runs(
    succession: Succession, tries: str, lock: bytes, code: str
) -> None:
    """It is told once, is not tried again, and leaves nothing behind; a newer one is."""
    succession.publish("0.2.0", tries, lock)
    agent = succession.start()
    assert not agent.change()
    assert not agent.change()
    assert (succession.current, succession.versions) == (FIRST, {FIRST})
    assert succession.events().count("agent.put_aside") == 1
    assert succession.instance.journal.events(1)[0].detail["code"] == code
    assert told(succession.instance, "v0.2.0 cannot be used here (koprogo-agent)") == 1
    succession.publish("0.2.1")
    assert agent.change()
    assert succession.current == "0.2.1"


def test_what_cannot_be_put_together_never_runs(succession: Succession) -> None:
    """As when a wheel is missing that the lock names."""
    succession.assemble.write_text("#!/bin/sh\necho 'No matching distribution' >&2\nexit 1\n")
    succession.publish("0.2.0")
    agent = succession.start()
    assert not agent.change()
    assert not agent.change()
    assert succession.instance.journal.events(1)[0].detail["why"].endswith("distribution")


@pytest.mark.parametrize("key", ["", "a stranger"])
def test_what_is_not_signed_is_not_brought_here(succession: Succession, key: str) -> None:
    """The rules are those for KoproGo's releases."""
    succession.publish("0.2.0", key=key)
    assert not succession.start().change()
    assert succession.versions == {FIRST}


def test_a_release_of_koprogo_is_no_release_of_the_agent(succession: Succession) -> None:
    """Signed by the same people, and for something else."""
    succession.publisher.publish("0.2.0")
    assert not succession.start().change()


def test_what_the_association_holds_back_waits(succession: Succession) -> None:
    """A bad version of the agent is stopped as a bad release is."""
    succession.publish("0.2.0")
    held = freshness(2, (ONLINE,), product="koprogo-agent", held={"0.2.0": "crashes"})
    succession.association.publish({"freshness.json": held})
    assert not succession.start().change()


def test_a_version_that_the_rescue_put_aside_is_not_tried_again(succession: Succession) -> None:
    """Whoever is asked can say why it does not run."""
    succession.publish("0.2.0")
    assert succession.start().change()
    succession.rescue()
    agent = succession.start()
    assert not agent.on_trial
    assert told(succession.instance, "v0.2.0 cannot be used here") == 1
    assert not agent.change()
    assert (succession.current, succession.versions) == (FIRST, {FIRST})


def test_what_the_rescue_put_aside_does_not_bless_itself(succession: Succession) -> None:
    """The power was cut between its two words; it says the second one later."""
    succession.publish("0.2.0")
    assert succession.start().change()
    (succession.home / "quarantined").write_text("\n0.2.0\n")
    new = succession.start()
    new.bless()
    assert new.on_trial
    assert (succession.home / "trial").exists()


def test_it_is_not_tried_again_either_where_the_agents_journal_was_lost(
    succession: Succession,
) -> None:
    """The rescue's own list outlives it."""
    succession.publish("0.2.0")
    assert succession.start().change()
    succession.rescue()
    (succession.instance.settings.state.directory / "agent/own.db").unlink()
    agent = succession.start()
    assert not agent.change()
    assert succession.versions == {FIRST}


def test_a_version_that_is_not_known_to_be_bad_has_three_trials(succession: Succession) -> None:
    """The network may be away for a minute, and a machine slow; but nothing goes round for ever."""
    succession.publish("0.2.0")
    for _ in range(3):
        assert succession.start().change()
        succession.rescue(puts_aside=False)
        assert succession.versions == {FIRST, "0.2.0"}
    agent = succession.start()
    assert succession.versions == {FIRST}
    assert not agent.change()
    assert succession.instance.journal.events(1)[0].detail["code"] == "agent.unproved"


def test_a_version_steps_back_by_itself(succession: Succession) -> None:
    """It is on trial again an hour later."""
    succession.publish("0.2.0")
    assert succession.start().change()
    new = succession.start()
    new.step_back()
    assert (succession.current, (succession.home / "trial").exists()) == (FIRST, False)
    old = succession.start()
    assert not old.on_trial
    assert not old.is_due
    succession.instance.wait(HOUR)
    assert old.is_due
    assert old.change()


def test_a_source_that_is_away_changes_nothing(succession: Succession) -> None:
    """It is asked again an hour later, not at every poll."""
    succession.publish("0.2.0")
    agent = succession.start()
    succession.origin.failure = RetryLater("away", code="source.unreachable")
    with pytest.raises(RetryLater):
        agent.change()
    assert not agent.is_due
    assert succession.versions == {FIRST}


def test_without_a_trust_root_it_never_looks(
    succession: Succession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was given none has nobody's word to go by."""

    def absent() -> bytes:
        raise NeedsOperator("there is none", code="trust.empty")

    agent = succession.start()
    monkeypatch.setattr(agent.world.anchor, "pinned", absent)
    assert not agent.is_due


def test_another_version_that_somebody_installed_is_made_way_for(succession: Succession) -> None:
    """As install.sh does it, which restarts only the service that it knows."""
    agent = succession.start()
    assert not agent.is_superseded
    (succession.home / "current").unlink()
    (succession.home / "current").symlink_to("versions/0.9.0")
    assert agent.is_superseded


def test_an_agent_that_does_not_update_itself_leaves_a_trial_to_the_one_that_does(
    succession: Succession,
) -> None:
    """One of several on a machine, which was started again meanwhile."""
    succession.publish("0.2.0")
    assert succession.start().change()
    instance = succession.instance
    own = instance.settings.agent.model_copy(update={"update": False})
    instance.settings = instance.settings.model_copy(update={"agent": own})
    other = succession.start()
    assert (other.on_trial, other.is_due, other.is_superseded) == (False, False, False)
    succession.rescue()
    assert not (succession.home / "trial").exists()
    assert other.is_superseded


def drive(succession: Succession, proves_itself: Callable[[SelfUpdate], None]) -> None:
    """What daemon and rescue do until all is quiet; the power may fail in it."""
    for _ in range(4):
        agent = succession.start()
        if agent.on_trial:
            proves_itself(agent)
        elif not agent.change():
            return


@pytest.mark.parametrize("case", ["good", "unfit", "fails on trial"])
def test_wherever_the_power_is_cut_it_ends_well(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """On the new version if it can work, on the old one if not; never between the two."""
    for number in count():
        succession = Succession(instance.copy(instance.folder / str(number)))
        succession.publish("0.2.0", "exit 1" if case == "unfit" else "exit 0")

        def proves_itself(agent: SelfUpdate, home: Succession = succession) -> None:
            if case == "good":
                agent.bless()
            else:
                home.rescue()

        with power_cut(monkeypatch, number) as cut, suppress(Killed):
            drive(succession, proves_itself)
        drive(succession, proves_itself)
        assert succession.current == ("0.2.0" if case == "good" else FIRST), f"cut at {number}"
        assert succession.current in succession.versions
        assert not (succession.home / "trial").exists()
        if not cut.came:
            break
    assert number > 5
