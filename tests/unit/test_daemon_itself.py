"""The daemon exchanges itself: on trial, making way, and never at the cost of a tick."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from koprogo_agent import daemon
from koprogo_agent.domain import succession
from koprogo_agent.errors import RetryLater
from tests.daemons import Own, Quiet, Scene, end_at


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests may have imported what an idle daemon does without."""
    monkeypatch.delitem(sys.modules, "docker", raising=False)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial takes less than a second."""
    monkeypatch.setattr(succession, "PROOF_SECONDS", 0.2)
    monkeypatch.setattr(succession, "BLAMELESS_SECONDS", 0.3)
    monkeypatch.setattr(daemon, "_PROVES_AGAIN", timedelta(seconds=0.1))


@pytest.mark.usefixtures("_hasty")
def test_on_trial_it_only_polls_until_it_is_blessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that it began could be cut off in the middle when it is put back."""
    own = Own(on_trial=True)
    scene = Scene(monkeypatch, end_at(1), interval=3600, own=own)
    scene.run()
    assert own.did[:2] == ["begin", "bless"]
    assert own.polls >= 2
    assert scene.ticks == 1


@pytest.mark.usefixtures("_hasty")
def test_on_trial_without_a_source_it_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the rescue puts it aside for something that is not its fault."""
    own = Own(on_trial=True, away=True)
    scene = Scene(monkeypatch, end_at(9), interval=3600, own=own)
    ran, logged = scene.run()
    assert own.did == ["begin", "step back"]
    assert (scene.ticks, ran.afresh, logged[-1]) == (0, False, "agent.stopped")


@pytest.mark.usefixtures("_hasty")
def test_on_trial_it_must_be_able_to_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where any are made; one that cannot is never blessed, and the rescue puts it aside."""
    broken = tmp_path / "broken/cryptography/__init__.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("raise ImportError('of another system')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parents[1]))
    own, patient = Own(on_trial=True), Quiet(last=4)
    state = tmp_path / "state"
    scene = Scene(monkeypatch, end_at(1), interval=3600, own=own, state=state, supervisor=patient)
    _, logged = scene.run()
    assert "bless" not in own.did
    assert "report.bug" in logged


@pytest.mark.usefixtures("_hasty")
def test_a_server_that_is_not_there_keeps_no_version_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No more than it keeps KoproGo from its updates."""
    own = Own(on_trial=True)
    Scene(monkeypatch, end_at(1), interval=3600, own=own, state=tmp_path).run()
    assert own.did[:2] == ["begin", "bless"]


@pytest.mark.usefixtures("_hasty")
def test_nor_does_a_key_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another version could not report, either."""
    (tmp_path / "identity").mkdir()
    own = Own(on_trial=True)
    _, logged = Scene(monkeypatch, end_at(1), interval=3600, own=own, state=tmp_path).run()
    assert own.did[:2] == ["begin", "bless"]
    assert "report.postponed" in logged


@pytest.mark.parametrize("own", [Own(is_due=True), Own(is_superseded=True)])
def test_it_makes_way_for_another_version(monkeypatch: pytest.MonkeyPatch, own: Own) -> None:
    """The other one is started by systemd; beginning afresh would start this one again."""
    monkeypatch.setitem(sys.modules, "docker", ModuleType("docker"))
    scene = Scene(monkeypatch, end_at(9), own=own)
    ran, logged = scene.run()
    assert (scene.ticks, ran.afresh, logged[-1]) == (1, False, "agent.stopped")


def test_it_makes_way_between_updates_and_never_during_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way, or watched, is seen to its end by who began it."""
    own = Own(is_due=True)
    scene = Scene(monkeypatch, end_at(2), at_rest=False, own=own)
    scene.run()
    assert own.did == ["begin"]


@pytest.mark.parametrize("fault", [RetryLater("away", code="x"), ZeroDivisionError()])
def test_what_goes_wrong_with_itself_keeps_it_from_no_tick(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Else a full disk below /opt would stop KoproGo's own security releases."""
    scene = Scene(monkeypatch, end_at(3), own=Own(is_due=True, breaks=fault))
    scene.run()
    assert scene.ticks == 3
