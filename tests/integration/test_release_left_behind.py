"""A release whose migration fails everywhere is yanked, and the next one does without it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from koprogo_agent.domain.armour import Kind
from tests.desks import Workshop
from tests.lab.engine import Engine
from tests.lab.stack import MIGRATIONS
from tests.offices import workshop

pytestmark = pytest.mark.real

BAD = f"{MIGRATIONS}/20260101000000_fail.sql"
WHY = "its migration fails on every database"


@pytest.fixture
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """A product of one person, whose newest release holds a migration that fails."""
    with workshop(lab_engine, {"ann": Kind.SSH}) as made:
        ann = made["ann"]
        ann.must("init", "--person", made.person("ann"), "--threshold", "1")
        ann.must("sign", "koprogo-root-1.draft.json")
        ann.must("publish", "koprogo-root-1.draft.json")
        release(made, "1.0.0")
        ann.commit({BAD: b"SELECT 1 / 0;\n"}, "Add a bad migration")
        release(made, "1.1.0")
        yield made


def release(shop: Workshop, version: str, *more: str) -> None:
    """Ann's release of what is on main."""
    shop.push_images(version)
    file = f"koprogo-v{version}.draft.json"
    for words in (("prepare", version, *more), ("sign", file), ("publish", file)):
        shop["ann"].must(*words)


def test_a_yanked_release_is_left_behind_with_a_reason(shop: Workshop) -> None:
    """Only once it is yanked, and the manifest says so to everybody who signs and installs."""
    ann = shop["ann"]
    ann.commit({BAD: None}, "Take the migration out")
    shop.push_images("1.1.1")
    words = ("prepare", "1.1.1", "--never-ran", "v1.1.0", "--reason", WHY)

    assert "v1.1.0 was not yanked" in ann.type(*words).stdout
    assert "--never-ran" not in ann.type("prepare", "1.1.1").stdout
    ann.must("yank", "1.1.0", "--reason", "it does not start")
    said = " ".join(ann.type("prepare", "1.1.1").stdout.split())
    assert "--never-ran v1.1.0 --reason" in said
    assert ann.type(*words[:-2]).returncode == 3
    assert ann.type("prepare", "1.1.1", "--reason", WHY).returncode == 2

    said = ann.must(*words)
    assert "✓ never ran       v1.1.0; yanked" in said
    assert "as they were" in said
    assert f"v1.1.0, which no instance can have run: {WHY}" in said
    file = "koprogo-v1.1.1.draft.json"
    manifest = json.loads((ann.clone / file).read_bytes())["manifest"]
    assert manifest["never_ran"] == {"1.1.0": WHY}
    ann.must("sign", file)
    ann.must("publish", file)
    assert "takes it" in ann.must("verify", "1.1.1", "--at", "1.0.0")
    assert f"no instance ran it: {WHY}" in " ".join(
        ann.must("verify", "1.1.1", "--at", "1.1.0").split()
    )

    # and what comes after needs no such word any more
    release(shop, "1.1.2")
