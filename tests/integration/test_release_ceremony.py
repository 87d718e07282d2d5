"""The whole ceremony of three people, two of whom must sign, on real keys, git and registry.

The chapters are tests of their own and follow each other: each leaves the product as the next one
finds it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.domain.armour import Kind
from tests.desks import JOB, Workshop
from tests.lab.engine import Engine
from tests.lab.keys import SshKey
from tests.lab.stack import OVERRIDE_FILE
from tests.offices import workshop

pytestmark = pytest.mark.real

PEOPLE = {"alice": Kind.SSH, "bob": Kind.SSH, "carol": Kind.GPG}
MIGRATION = "backend/migrations/20250301000000_more.sql"


@pytest.fixture(scope="module")
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """A product that nobody has released yet."""
    with workshop(lab_engine, PEOPLE) as made:
        yield made


def said(shop: Workshop, name: str, *words: str) -> dict[str, Any]:
    """What a verb prints as JSON, however it ends."""
    shop[name].git("fetch", "--quiet", "--tags")
    found: dict[str, Any] = json.loads(shop[name].type(*words, "--json").stdout)
    return found


def asked(shop: Workshop, tag: str) -> dict[str, Any]:
    """What a real agent says of a tag that was given trust root 1 and no more."""
    home = shop.root / "instance"
    trust = home / "trust"
    trust.mkdir(parents=True, exist_ok=True)
    raw = shop.origin.repository.read("blob", "trust:root/1.json")
    (trust / "root.json").write_bytes(raw)
    config = home / "config.toml"
    config.write_text(
        f'[source]\nurl = "{shop.origin.url}"\nca_file = "{shop.origin.ca_file}"\n'
        f'[trust]\ndirectory = "{trust}"\n'
        f'[state]\ndirectory = "{home / "state"}"\nrun_directory = "{home / "run"}"\n'
    )
    (home / "state").mkdir(exist_ok=True)
    done = subprocess.run(
        [Path(sys.executable).parent / "koprogo-agent", "verify", tag, "--json", "-c", config],
        env=shop[JOB].environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_trust_root_is_made_signed_carried_and_published(shop: Workshop) -> None:
    """One makes and signs it, one signs the carried file, a job without their keys publishes."""
    alice, carol, file = shop["alice"], shop["carol"], "koprogo-root-1.draft.json"
    people = [word for name in PEOPLE for word in ("--person", shop.person(name))]
    online = f"{JOB}={shop.online}"

    made = alice.must("init", *people, "--threshold", "2", "--freshness", online)
    assert "0 of 2 by the root keys of trust root 1: nobody yet" in made
    assert shop.keys["carol"] in made
    early = alice.type("publish", file)
    assert (early.returncode, "2 more must sign" in early.stderr) == (3, True)

    assert "1 of 2" in alice.must("sign", file)
    assert "alice has signed it already; nothing was changed" in alice.must("sign", file)
    away = shop.carry(file, "alice", "carol")
    assert "sign this?" in carol.type("cosign", file, folder=away).stdout
    assert "2 of 2" in carol.must("cosign", file, "--yes", folder=away)

    shop.bring_back(file, "carol", JOB)
    shop[JOB].must("publish", file)
    stands = said(shop, "bob", "status")
    assert stands["root"]["roles"]["release"] == {"threshold": 2, "keys": [*PEOPLE]}
    assert stands["root"]["sha256"] in made
    assert (stands["freshness"]["version"], stands["stale"], stands["warnings"]) == (1, None, [])
    assert "has a trust root already" in shop["bob"].type("init", *people, "--threshold=2").stderr


def test_a_release_is_prepared_signed_carried_and_published(shop: Workshop) -> None:
    """The tag and the freshness that names it go out in one push; a real agent accepts it."""
    alice, bob, file = shop["alice"], shop["bob"], "koprogo-v1.0.0.draft.json"
    shop.push_images("1.0.0")
    assert "git fetch" in alice.type("prepare", "1.0.0").stderr
    alice.git("fetch", "--quiet")
    (alice.clone / "notes.md").write_text("The first release.\n")
    made = alice.must("prepare", "1.0.0", "--notes", "notes.md")
    assert "✓ image backend   sha256:" in made
    assert "2 added" in made

    assert "1 of 2 by the release keys" in alice.must("sign", file)
    early = alice.type("publish", file)
    assert (early.returncode, "bob, carol" in early.stderr) == (3, True)
    away = shop.carry(file, "alice", "bob")
    assert "The first release." in bob.must("cosign", file, "--yes", folder=away)
    whole = bob.must("cosign", file, "--yes", folder=away)
    assert "it is signed by all who must; nothing was changed" in whole
    assert "trusted by trust root 1" in bob.must("verify", file, folder=away)

    shop.bring_back(file, "bob", "alice")
    before = len(pushes(shop))
    alice.must("publish", file, "--rollout", "3d", "--share", "50")
    assert len(pushes(shop)) == before + 1

    opinion = said(shop, "carol", "verify", "1.0.0")
    assert (opinion["trusted"], opinion["installs"]) == (True, True)
    assert opinion["rollout"]["share"] == 50
    assert [one["name"] for one in opinion["signers"]] == ["bob", "alice"]
    agent = asked(shop, "v1.0.0")
    assert agent["trusted"]
    assert [(one["rule"], one["holds"]) for one in agent["rules"]] == [
        (one["rule"], one["holds"]) for one in opinion["rules"]
    ]
    assert said(shop, "bob", "status")["freshness"]["channels"] == {
        "stable": {"version": "1.0.0", "counter": 1}
    }


def test_the_next_release_says_what_changes(shop: Workshop) -> None:
    """To whoever prepares it, and to whoever signs with nothing but the file."""
    shop["alice"].commit({MIGRATION: b"SELECT 1;\n", OVERRIDE_FILE: b"services: {}\n"}, "More")
    shop.push_images("1.1.0")
    made = shop["alice"].must("prepare", "1.1.0", "--security", "--works-with", "1.0.0")
    assert f"1 added: {MIGRATION}" in made
    file = "koprogo-v1.1.0.draft.json"
    shop["alice"].must("sign", file)
    away = shop.carry(file, "alice", "carol")

    shown = shop["carol"].must("cosign", file, "--yes", folder=away)

    assert "channel stable, security, number 2" in shown
    assert f"changed       {OVERRIDE_FILE}" in shown
    assert "since           v1.0.0" in shown
    shop.bring_back(file, "carol", "alice")
    shop["alice"].must("publish", file)
    assert asked(shop, "v1.1.0")["signers"][0]["name"] == "carol"


def test_an_instance_is_thought_of_as_it_is(shop: Workshop) -> None:
    """From which version it comes and what it has seen decides, by the agent's own rules."""
    assert said(shop, "bob", "verify", "1.1.0", "--at", "1.0.0")["installs"]
    assert not said(shop, "bob", "verify", "1.1.0", "--at", "1.1.0")["newer"]
    older = said(shop, "bob", "verify", "1.0.0", "--at", "1.1.0")
    assert (older["trusted"], older["code"]) == (False, "trust.floor")
    seen = said(shop, "bob", "verify", "1.1.0", "--counter", "3")
    assert (seen["trusted"], seen["code"]) == (False, "trust.counter")
    assert shop["bob"].type("verify", "1.1.0", "--counter", "3").returncode == 3


def test_a_release_is_held_let_go_and_yanked(shop: Workshop) -> None:
    """Anybody who may sign freshness can, from any clone; the others' words are carried over."""
    held = ("hold", "v1.1.0", "--reason", "it loses attachments")
    assert "v1.1.0: it loses attachments" in shop["bob"].must(*held)
    assert said(shop, "alice", "verify", "1.1.0")["waits"]["gate"] == "stopped"
    shop[JOB].must("freshness", "--push")
    assert said(shop, "alice", "status")["freshness"]["held"] == {"1.1.0": "it loses attachments"}

    shop["carol"].must("release-hold", "1.1.0")
    assert said(shop, "alice", "verify", "1.1.0")["installs"]
    shop["alice"].must("yank", "1.1.0", "--reason", "it still does")
    assert said(shop, "bob", "verify", "1.1.0")["waits"]["gate"] == "yanked"
    again = shop["bob"].type("hold", "1.1.0", "--reason", "x")
    assert (again.returncode, "was yanked" in again.stderr) == (3, True)


def test_freshness_expires_and_is_renewed(shop: Workshop) -> None:
    """Stale: nothing new starts by itself; the next run of the job mends it."""
    shop[JOB].must("freshness", "--valid", "1s", "--push")
    time.sleep(1.1)
    assert "expired" in said(shop, "bob", "status")["stale"]
    assert said(shop, "bob", "verify", "1.0.0")["waits"]["gate"] == "stale"

    shop[JOB].must("freshness", "--push")
    assert said(shop, "bob", "status")["stale"] is None


def test_a_lost_key_is_rotated_out(shop: Workshop) -> None:
    """By the two who are left; whoever was taken out signs nothing any more."""
    bob, carol = shop["bob"], shop["carol"]
    new = SshKey.create(shop.root / "dan", "dan")
    shop["alice"].commit({MIGRATION: b"SELECT 1;\n", "README.md": b"2\n"}, "Then")
    left = shop.cut("1.2.0", "alice", "bob")  # signed, and not published in time

    made = bob.must("rotate", "--remove", "alice", "--remove", "carol", "--threshold", "1")
    assert "too few others can sign it by trust root 1: alice, carol must sign it too" in made
    made = bob.must("rotate", "--remove", "alice", "--add", f"dan={new.file}.pub")
    assert "nobody can newly install v1.1.0, v1.0.0 under it" in made
    file = "koprogo-root-2.draft.json"
    shop.sign_root(2, "bob", "carol")
    assert "2 of 2 by the root keys of trust root 1: bob, carol" in carol.must("sign", file)
    carol.must("publish", file)

    stands = said(shop, "bob", "status")
    assert stands["root"]["version"] == 2
    assert list(stands["root"]["keys"]) == ["bob", "carol", "dan", JOB]
    assert stands["freshness"]["root"] == 2
    assert stands["freshness"]["yanked"] == {"1.1.0": "it still does"}
    refused = said(shop, "bob", "verify", "1.0.0")
    assert (refused["root"], refused["code"]) == (2, "trust.threshold")
    assert asked(shop, "v1.0.0")["code"] == "trust.threshold"
    late = shop["alice"].type("publish", left)
    assert (late.returncode, "still to" in late.stdout) == (3, False)
    assert "trust root 2 is in force" in shop["alice"].type("sign", left).stderr
    assert shop["alice"].type("hold", "1.0.0", "--reason", "x").returncode == 5


def test_the_release_after_a_rotation_is_accepted_by_old_instances(shop: Workshop) -> None:
    """They walk from the root that they were given to the newest."""
    file = shop.cut("1.3.0", "bob", "carol", "--upgrade-from", ">=1.0.0")
    shop["bob"].must("publish", file)

    assert asked(shop, "v1.3.0")["trusted"]
    assert said(shop, "carol", "verify", "1.3.0", "--root", "2", "--at", "1.1.0")["installs"]
    stands = said(shop, "carol", "status")
    assert [(one["tag"], one["trusted"]) for one in stands["releases"]][:2] == [
        ("v1.3.0", True),
        ("v1.1.0", False),
    ]


def pushes(shop: Workshop) -> list[str]:
    """What was pushed to the origin so far."""
    return [one for one in shop.origin.front.requests if one.endswith("/git-receive-pack")]
