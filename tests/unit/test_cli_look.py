"""What status, why and history say, on journals that the real engine wrote in a simulated world."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.main import run
from koprogo_agent.errors import RetryLater
from koprogo_agent.update.standing import Polls
from tests.simulation.instance import Instance
from tests.simulation.origin import tag_object

Say = Callable[..., Any]
"""What types a verb."""


@pytest.fixture
def blank(tmp_path: Path) -> Instance:
    """An instance on which nothing runs, and a configuration that leads to its journal."""
    made = Instance.new(tmp_path)
    (tmp_path / "config.toml").write_text(
        f"[state]\ndirectory = '{tmp_path}'\nrun_directory = '{tmp_path}/run'\n"
        f"[backup]\ndirectory = '{tmp_path}/backups'\n"
    )
    return made


@pytest.fixture
def instance(blank: Instance) -> Instance:
    """The same with v1.0.0."""
    blank.install()
    return blank


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    """Types a verb on an instance and gives what is printed: text, or JSON's value."""

    def type_verb(instance: Instance, *words: str) -> object:
        config = str(instance.folder / "config.toml")
        capsys.readouterr()  # what the simulated agent has logged
        assert run([*words, "--config", config]) == Exit.DONE, capsys.readouterr().err
        out = capsys.readouterr().out
        return json.loads(out) if "--json" in words else out

    return type_verb


def test_status_of_what_is_up_to_date(instance: Instance, said: Say) -> None:
    """One line says it all, and the keys for programs are there."""
    assert said(instance, "status").startswith("KoproGo v1.0.0  up to date\n")
    document = said(instance, "status", "--json")
    assert document["state"] == "current"
    assert document["installed"] == "v1.0.0"
    assert document["polls"]["succeeded"].endswith("+00:00")
    assert document["last"]["outcome"] == "committed"
    assert document["held"] is document["operation"] is document["candidate"] is None
    assert document["waiting"] == document["refused"] == document["quarantined"] == []


def test_status_before_the_agent_ever_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking makes no journal, and the message says what to type."""
    config = tmp_path / "config.toml"
    config.write_text(f"[state]\ndirectory = '{tmp_path}/state'\n")
    assert run(["status", "-c", str(config)]) == Exit.OPERATOR
    assert "systemctl enable --now koprogo-agent" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_a_release_that_failed_in_production(instance: Instance, said: Say) -> None:
    """Status names it, why says step, code and message, history has a row of it."""
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    instance.settle()
    assert instance.installed == "v1.0.0"

    assert "went back from a release that failed" in said(instance, "status")
    assert "v1.1.0 (quarantine, failed here at step" in said(instance, "status")
    told = said(instance, "why")
    assert told.startswith("v1.1.0  quarantine\n")
    assert "koprogo-agent retry v1.1.0" in told
    (waiting,) = said(instance, "why", "v1.1.0", "--json")["waiting"]
    assert (waiting["tag"], waiting["gate"]) == ("v1.1.0", "quarantine")
    assert waiting["step"]
    assert waiting["code"]
    newest, first = said(instance, "history", "--json")
    assert (newest["outcome"], newest["failed_step"]) == ("rolled_back", waiting["step"])
    assert (newest["previous"], newest["tag"]) == ("v1.0.0", "v1.1.0")
    assert newest["seconds"] > 0
    assert first["operation"] == "install"
    assert "update v1.0.0 → v1.1.0" in said(instance, "history")
    assert "v1.1.0" not in json.dumps(said(instance, "history", "--json", "--limit", "1")[1:])


def test_a_release_that_waits_for_its_images(instance: Instance, said: Say) -> None:
    """Why says until when; the verb goes by the real clock, and so must the world here."""
    clock = instance.scene.clock
    clock.skew = datetime.now(UTC) - clock.now()
    instance.scene.publisher.publish("1.0.1")
    instance.scene.publisher.withdraw("1.0.1")
    instance.tick()
    instance.wait(60)
    instance.tick()

    assert "v1.0.1 (backoff, next try" in said(instance, "status")
    (waiting,) = said(instance, "why", "--json")["waiting"]
    assert waiting["gate"] == "backoff"
    assert waiting["until"] > said(instance, "status", "--json")["polls"]["succeeded"]
    assert "tried again" in said(instance, "why", "v1.0.1")


def test_a_release_that_waits_for_the_machine(instance: Instance, said: Say) -> None:
    """Status and why say what to type."""
    clock = instance.scene.clock
    clock.skew = datetime.now(UTC) - clock.now()
    instance.scene.machine.pause("koprogo", "storage")
    instance.scene.publisher.publish("1.0.1")
    instance.tick()

    typed = "docker unpause koprogo-storage-1"
    assert f"type         once it may run again: {typed}" in said(instance, "status")
    assert f"what to do: once it may run again: {typed}" in said(instance, "why")
    (waiting,) = said(instance, "why", "--json")["waiting"]
    assert waiting["advice"].endswith(typed)


def test_what_has_happened_since_the_last_poll_counts(instance: Instance, said: Say) -> None:
    """A candidate that has failed is not said to be installed soon; one forgiven is looked at."""
    instance.scene.publisher.publish("1.0.1", backend={"exits": "at start"})
    instance.tick()
    assert instance.engine.standing.pending.candidate == "v1.0.1"
    assert "v1.0.1 (quarantine, failed here at step rehearse)" in said(instance, "status")
    instance.tick()
    instance.requests.retry("v1.0.1")
    assert "looked at again at the next poll" in said(instance, "why")


def test_tags_that_are_refused(instance: Instance, said: Say) -> None:
    """Forged, moved and expired ones each with their rule; a moved one also when it is older."""
    publisher, origin = instance.scene.publisher, instance.scene.origin
    publisher.publish("1.0.1", key="somebody")
    publisher.publish("1.0.2", manifest={"expires": "2026-01-05T13:00:00Z"})
    before = origin.refs["v1.0.0"]
    origin.tag("v1.0.0", tag_object("v1.0.0", "0" * 40, "moved\n"))
    instance.wait(86400)
    instance.tick()

    refused = {one["tag"]: one["code"] for one in said(instance, "why", "--json")["refused"]}
    assert refused == {
        "v1.0.0": "tag.moved",
        "v1.0.1": "signature.unknown_key",
        "v1.0.2": "trust.expired",
    }
    told = said(instance, "why")
    assert told.index("v1.0.2") < told.index("v1.0.1") < told.index("v1.0.0")
    assert "koprogo-agent verify v1.0.1" in told
    assert "refused      v1.0" in said(instance, "status")

    origin.refs["v1.0.0"] = before
    del origin.refs["v1.0.1"]
    instance.tick()
    left = [one["tag"] for one in said(instance, "why", "--json")["refused"]]
    assert left == ["v1.0.2"], "what the source took back is no longer in anybody's way"


def test_why_of_releases_against_which_nothing_stands(
    instance: Instance,
    said: Say,
) -> None:
    """The installed one, and one that nobody ever saw."""
    assert "nothing waits: v1.0.0 is the newest" in said(instance, "why")
    assert "v1.0.0 runs here" in said(instance, "why", "v1.0.0")
    assert "never seen here" in said(instance, "why", "v9.9.9")


def test_why_where_nothing_is_known(blank: Instance, said: Say) -> None:
    """What was never asked with success is not called up to date."""
    blank.scene.origin.failure = RetryLater("no route to host", code="source.unreachable")
    blank.tick()
    assert "no poll has succeeded yet: no route to host" in said(blank, "why")
    blank.scene.origin.failure = None
    blank.tick()
    assert "the source offers no release" in said(blank, "why")


def test_status_names_the_verb_that_goes_back(instance: Instance, said: Say) -> None:
    """Over a change of the schema `rollback` would only refuse."""
    instance.scene.publisher.publish("1.0.1")
    instance.settle()
    assert "v1.0.0: koprogo-agent rollback" in said(instance, "status")
    instance.scene.publisher.publish("1.1.0", schema=True)
    instance.settle()
    assert "v1.0.1: koprogo-agent backup list" in said(instance, "status")


def test_during_the_first_poll_nothing_is_stale(instance: Instance, said: Say) -> None:
    """The root is read before what vouches for its time: whoever looks meanwhile is not alarmed."""
    journal = instance.engine.journal
    with journal.store.transaction() as connection:
        connection.execute("DELETE FROM document WHERE kind = 'freshness'")
    journal.put("polls", None)
    assert said(instance, "status", "--json")["trust"]["stale"] is None
    journal.put("polls", Polls(succeeded=instance.scene.clock.now()))
    assert "no freshness document" in said(instance, "status")


def test_hold_is_told_with_its_reason(instance: Instance, said: Say) -> None:
    """And with the word that ends it."""
    instance.requests.hold("the building is on fire")
    for verb in ("status", "why"):
        told = said(instance, verb)
        assert "the building is on fire" in told
        assert "koprogo-agent resume" in told
    assert said(instance, "status", "--json")["state"] == "paused"


def test_a_source_that_is_silent_for_an_hour(instance: Instance, said: Say) -> None:
    """Not a log line but a state, with the reason and the last good poll."""
    instance.scene.origin.failure = RetryLater("no route to host", code="source.unreachable")
    instance.tick()
    instance.wait(4000)
    instance.tick()
    told = said(instance, "status")
    assert "STALE" in told
    assert "no route to host; last good one" in told
    assert said(instance, "status", "--json")["state"] == "stale"


def test_looking_changes_nothing(instance: Instance, said: Say) -> None:
    """Not a byte of the journal, beside an agent that has it open."""
    before = (instance.folder / "state.db").read_bytes()
    for verb in ("status", "why", "history"):
        said(instance, verb)
    assert (instance.folder / "state.db").read_bytes() == before


def test_who_may_not_write_is_told_to_use_sudo(
    instance: Instance, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever adapter would have stumbled first."""
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: mode == os.R_OK)
    code = run(["hold", "--config", str(instance.folder / "config.toml")])
    assert code == Exit.OPERATOR
    assert "type: sudo koprogo-agent hold" in capsys.readouterr().err


def test_words_to_the_agent(
    instance: Instance,
    said: Say,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """hold, resume and retry are written down at once."""
    said(instance, "hold", "wait for me")
    assert said(instance, "status", "--json")["held"]["reason"] == "wait for me"
    assert "goes on" in said(instance, "resume")
    assert "was not held" in said(instance, "resume")
    config = str(instance.folder / "config.toml")
    assert run(["retry", "v1.0.0", "--config", config]) == Exit.REFUSED
    assert "not in quarantine" in capsys.readouterr().err


def test_status_of_what_is_down(instance: Instance, said: Say) -> None:
    """The first line says it, with what is wrong; nothing there is called up to date."""
    instance.scene.prober.ingress = "answered 502, expected 200"
    instance.tick()
    first, *more = said(instance, "status").split("\n")
    assert first.startswith("KoproGo v1.0.0  DOWN since ")
    assert first.endswith(": health through the ingress: answered 502, expected 200")
    assert any(line.startswith("  type ") and "docker compose -p koprogo" in line for line in more)
    document = said(instance, "status", "--json")
    assert document["summary"].startswith("DOWN since ")
    condition = document["condition"]
    assert (condition["level"], condition["code"]) == ("down", "probe.failed")
    instance.requests.hold("a holiday")
    first = said(instance, "status").split("\n")[0]
    assert "DOWN since " in first
    assert first.endswith("(on hold, by you)")
    instance.scene.prober.ingress = None
    instance.requests.resume()
    instance.tick()
    assert said(instance, "status").startswith("KoproGo v1.0.0  up to date\n")


def test_status_of_an_update_that_is_refused(instance: Instance, said: Say) -> None:
    """It is not up to date, and says why: in quarantine, or kept out by a rule of trust."""
    instance.scene.publisher.publish("1.0.1", backend={"exits": "at start"})
    instance.settle()
    first = said(instance, "status").split("\n")[0]
    assert "an update exists and is refused: v1.0.1 failed here at step rehearse: " in first
    assert "up to date" not in first


def test_status_of_an_update_that_was_forged(instance: Instance, said: Say) -> None:
    """The code of the rule is there for whoever asks the association."""
    instance.scene.publisher.publish("1.0.1", key="somebody")
    instance.settle()
    first = said(instance, "status").split("\n")[0]
    assert "an update exists and is refused: v1.0.1: " in first
    assert first.endswith("(signature.unknown_key)")
    assert "up to date" not in first
