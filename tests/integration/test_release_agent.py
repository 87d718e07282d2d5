"""The agent itself is released: a product without a stack, by the settings of this repository.

The chapters are tests of their own and follow each other, on real keys, git and registry.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from koprogo_agent import __version__ as version
from koprogo_agent.adapters.signatures import SigningTools
from koprogo_agent.domain.armour import Kind
from koprogo_agent.domain.root import read_root
from koprogo_agent.domain.rules import Memory, TrustPolicy
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.update.court import Court
from koprogo_agent.update.verdict import Verdict, judge
from tests.desks import Desk, Workshop
from tests.lab import oci
from tests.lab.engine import Engine
from tests.lab.oci import Image, Settings, Tree
from tests.offices import workshop

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
PRODUCT = "koprogo-agent"
SETTINGS, VERSION_FILE = "koprogo-release.toml", "koprogo_agent/__init__.py"
DEPLOYED = (
    *("install.sh", "requirements.lock"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "systemd").iterdir())),
)
HERE = {name: (ROOT / name).read_bytes() for name in (*DEPLOYED, SETTINGS, VERSION_FILE)}
NEXT = "99.0.0"
WITHOUT_COMPOSE = {"PATH": os.defpath}


def files(registry: str) -> dict[str, bytes]:
    """What this repository has, released to the lab's registry."""
    settings = HERE[SETTINGS].replace(b'"ghcr.io/gilmry/', f'"{registry}/gilmry/'.encode())
    return {**HERE, SETTINGS: settings}


@pytest.fixture(scope="module")
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """The agent's repository, before anybody has released it; two of two must sign."""
    people = {"ann": Kind.SSH, "bob": Kind.GPG}
    with workshop(lab_engine, people, PRODUCT, files) as made:
        made.found("--threshold", "2")
        yield made


def contents(number: str) -> dict[str, bytes]:
    """What lies in the image of a version, in little."""
    wheel = f"koprogo_agent-{number}-py3-none-any.whl"
    return {**{name: HERE[name] for name in DEPLOYED}, wheel: number.encode()}


def push(shop: Workshop, number: str) -> str:
    """Pushes the image of a version; gives its digest."""
    tree = Tree()
    for name, content in contents(number).items():
        tree.write(f"/dist/{name}", content)
    image = Image((tree.layer(),), Settings())
    return oci.push(image, shop.registry, f"gilmry/{PRODUCT}", [f"v{number}"]).digest


def judged(shop: Workshop, tag: str, product: str) -> Verdict:
    """What an agent makes of a tag at the origin, that follows the root of this product's trust."""
    repository = shop.origin.repository
    root = read_root(repository.read("blob", "trust:root/1.json"))
    court = Court(SigningTools(), root, TrustPolicy(product, require_manifest=True))
    raw = repository.read("tag", f"refs/tags/{tag}")
    ref = TagRef(tag, repository.git("rev-parse", f"refs/tags/{tag}"))
    now = datetime.now(UTC)
    return judge(ref, lambda: raw, court, lambda: Memory(now), now)


def test_it_is_prepared_without_compose(shop: Workshop) -> None:
    """What does not apply is not looked at, nor said to be good."""
    digest, ann, file = push(shop, version), shop["ann"], f"{PRODUCT}-v{version}.draft.json"
    ann.git("fetch", "--quiet")
    done = ann.type("prepare", version, env=WITHOUT_COMPOSE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"✓ version file    {VERSION_FILE} says {version}" in done.stdout
    assert f"✓ files           {len(DEPLOYED)} are deployed" in done.stdout
    assert "✓ migrations      none in migrations" in done.stdout
    assert "compose" not in done.stdout
    assert "image use" not in done.stdout
    manifest = json.loads((ann.clone / file).read_bytes())["manifest"]
    repository = f"{shop.registry.address}/gilmry/{PRODUCT}"
    assert manifest["images"] == {"agent": {"repository": repository, "digest": digest}}
    assert manifest["files"] == {name: hashlib.sha256(HERE[name]).hexdigest() for name in DEPLOYED}
    assert manifest["migrations"] == {"path": "migrations", "works_with": []}


def test_an_agent_accepts_what_is_published(shop: Workshop) -> None:
    """Under this product's name alone: a stack's agent must never take it for its stack."""
    file = shop.draw_up(version, "ann", "bob")
    assert f"draft {file}: release v{version}" in shop["ann"].must("status")
    shop["ann"].must("publish", file, "--rollout", "3d", "--share", "50")

    release = judged(shop, f"v{version}", PRODUCT).release
    assert release is not None
    assert [one.name for one in release.signers] == ["bob", "ann"]
    refusal = judged(shop, f"v{version}", "koprogo").refusal
    assert (refusal is not None, refusal and refusal.code) == (True, "trust.product")
    raw = shop.origin.repository.read("tag", f"refs/tags/v{version}").decode()
    assert f"\n\n{PRODUCT} {version}\n\n" in raw
    shop["bob"].git("fetch", "--quiet", "--tags")
    shown = shop["bob"].must("verify", version)
    assert "an instance that runs nothing yet takes it" in shown
    assert "little by little: 50 %" in shown


def test_whoever_signs_compares_the_image_with_their_own(shop: Workshop) -> None:
    """What the registry has is not believed: any difference is found, and what was looked at."""
    ann, file = shop["ann"], f"{PRODUCT}-v{version}.draft.json"
    mine = ann.clone / "image" / oci.ARCHITECTURES[platform.machine()]
    for name, content in contents(version).items():
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_bytes(content)

    assert compare(ann, file) == (0, f"  ✓ {mine.name}\n")
    (mine / "install.sh").write_text("other")
    assert compare(ann, file)[0] == 3
    ann.git("commit", "--quiet", "--allow-empty", "--message", "Later")
    assert compare(ann, file)[0] == 2
    ann.git("reset", "--quiet", "--hard", "HEAD~")


def compare(desk: Desk, file: str) -> tuple[int, str]:
    """How the comparison ends, and what it prints."""
    done = subprocess.run(
        [ROOT / "scripts/compare.sh", file],
        cwd=desk.clone,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_a_version_that_nobody_set_is_found(shop: Workshop) -> None:
    """The wheel in the image would call itself by the last one."""
    push(shop, NEXT)
    done = shop["ann"].type("prepare", NEXT)
    assert done.returncode == 3
    assert f"✗ version file    {VERSION_FILE} says '{version}', and not {NEXT}" in done.stdout


def test_the_next_release_is_held_and_yanked(shop: Workshop) -> None:
    """As any other product's."""
    told = HERE[VERSION_FILE].replace(version.encode(), NEXT.encode())
    lock = HERE["requirements.lock"] + b"# more\n"
    shop["ann"].commit({VERSION_FILE: told, "requirements.lock": lock}, f"Begin {NEXT}")
    file = shop.draw_up(NEXT, "ann", "bob")
    shown = shop["bob"].type("cosign", file, folder=shop.carry(file, "ann", "bob")).stdout
    assert re.search(r"changed +requirements\.lock\n", shown)
    shop["ann"].must("publish", file)

    assert "takes it" in shop["ann"].must("verify", NEXT, "--at", version)
    for words in (("hold", NEXT, "--reason", "wait"), ("release-hold", NEXT)):
        shop["ann"].must(*words)
    shop["ann"].must("rollout", NEXT, "--duration", "1d", "--share", "10")
    assert f"v{NEXT}: bad" in shop["ann"].must("yank", NEXT, "--reason", "bad")
    assert "would not take it now" in shop["ann"].must("verify", NEXT, "--at", version)
