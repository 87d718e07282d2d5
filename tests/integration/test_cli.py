"""Every verb, typed as a person would, on one real stack."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.cli.exits import Exit
from tests.instance import Instance
from tests.lab.forgeries import Forger, Forgery
from tests.lab.recipes import Kind

pytestmark = pytest.mark.real

IDLE_KILOBYTES = 50_000
"""A generous bound; the benchmark measures against the real one."""


def typed(instance: Instance, code: Exit, *words: str) -> str:
    """Types a verb, expects an exit code, and gives what was printed; never a traceback."""
    done = instance.type(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def read(instance: Instance, *words: str) -> Any:  # noqa: ANN401 - a JSON value
    """The document that a reading verb prints."""
    return json.loads(typed(instance, Exit.DONE, *words, "--json"))


def test_looking_at_a_healthy_instance(instance: Instance) -> None:
    """Nothing is to be done, and every verb says so in its own way."""
    tag = instance.lab.publisher.releases[-1].tag
    assert f"KoproGo {tag}" in typed(instance, Exit.DONE, "status")
    assert "nothing waits" in typed(instance, Exit.DONE, "why")
    assert "nothing to do" in typed(instance, Exit.DONE, "update")
    assert "nothing to do" in typed(instance, Exit.DONE, "plan")
    assert [one["stand"] for one in read(instance, "check")["releases"]] == ["installed"]
    assert [one["outcome"] for one in read(instance, "history")] == ["committed"]
    assert "may be trusted" in typed(instance, Exit.DONE, "verify", tag)


def test_the_doctor_finds_nothing_and_then_a_fault(instance: Instance) -> None:
    """A wrong address is a fault, with what to do; exit 5."""
    found = read(instance, "doctor")
    assert found["well"], found
    assert {"clock", "source", "docker", "compose", "database", "journal"} <= {
        one["what"] for one in found["findings"]
    }
    lost = instance.changed(source={"url": "https://127.0.0.1:9/koprogo.git"})
    told = typed(lost, Exit.OPERATOR, "doctor")
    assert told.lstrip().startswith("✗ source")


def test_an_update_with_schema_change_is_planned_and_then_shown(instance: Instance) -> None:
    """The plan changes nothing; the update prints a line a step."""
    release = instance.lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    before = instance.lab.stack.containers()
    plan = read(instance, "plan")
    assert plan["tag"] == release.tag
    assert plan["schema_changes"]
    assert plan["to_pull"]
    assert instance.lab.stack.containers() == before
    told = typed(instance, Exit.DONE, "update")
    assert "✓ backup" in told
    assert f"{release.tag} is installed and healthy" in told


def test_a_release_that_fails_is_explained(instance: Instance) -> None:
    """Exit 1, then who asks why learns the step; retry takes it out of quarantine."""
    release = instance.lab.publisher.publish(Kind.BROKEN_AT_START)
    document = json.loads(typed(instance, Exit.FAILED, "update", "--json"))
    assert (document["outcome"], document["failed_step"]) == ("cancelled", "rehearse")
    (waiting,) = read(instance, "why", release.tag)["waiting"]
    assert waiting["step"] == "rehearse"
    assert "failed here" in typed(instance, Exit.REFUSED, "update", release.tag)
    typed(instance, Exit.DONE, "retry", release.tag)
    instance.lab.publisher.repository.git("update-ref", "-d", f"refs/tags/{release.tag}")


def test_a_forged_tag_is_held_against_every_rule(instance: Instance) -> None:
    """Exit 3, and which rule."""
    forged = Forger(instance.lab.publisher, instance.lab.keys).forge(Forgery.WRONG_SSH_KEY)
    told = typed(instance, Exit.REFUSED, "verify", forged.tag)
    assert "✗ a key of the trust root made the signature" in told


def test_hold_keeps_everything_as_it_is(instance: Instance) -> None:
    """Exit 5 for an update, and status says who held it and why."""
    typed(instance, Exit.DONE, "hold", "the annual meeting")
    assert read(instance, "status")["state"] == "paused"
    assert "the annual meeting" in typed(instance, Exit.OPERATOR, "update")
    typed(instance, Exit.DONE, "resume")
    assert read(instance, "status")["held"] is None


def test_backups_by_hand(instance: Instance) -> None:
    """Made, listed, verified, and put back after a question that names what is lost."""
    made = read(instance, "backup", "create")
    assert made["file"] in typed(instance, Exit.DONE, "backup", "list")
    assert read(instance, "backup", "verify", made["file"])["whole"]
    asked = typed(instance, Exit.FAILED, "backup", "restore", made["file"])
    assert "every row written since" in asked
    told = typed(instance, Exit.DONE, "backup", "restore", made["file"], "--yes")
    assert "✓ restore" in told


def test_rollback_after_a_release_without_schema_change(instance: Instance) -> None:
    """The last good release comes back, and status says so."""
    before = read(instance, "status")["installed"]
    instance.lab.publisher.publish(Kind.GOOD)
    typed(instance.changed(rehearsal={"when": "never"}), Exit.DONE, "update")
    assert read(instance, "status")["previous"] == before
    typed(instance, Exit.DONE, "rollback")
    assert read(instance, "status")["installed"] == before


def test_the_daemon_is_small_and_ends_when_told(instance: Instance) -> None:
    """`run` polls at once; SIGTERM ends it with 0; meanwhile status can be asked."""
    program = Path(sys.executable).parent / "koprogo-agent"
    polled = read(instance, "status")["polls"]["succeeded"]
    with subprocess.Popen(
        [program, "run"], env=instance.environment, stderr=subprocess.DEVNULL
    ) as daemon:
        deadline = time.monotonic() + 30
        while read(instance, "status")["polls"]["succeeded"] == polled:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
    assert int(resident.split()[1]) < IDLE_KILOBYTES
