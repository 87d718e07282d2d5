"""The recipes for GitHub: what their steps type, typed here, without GitHub itself."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent import __version__ as version
from koprogo_agent.domain.armour import Kind
from tests.desks import JOB, Workshop
from tests.lab.engine import Engine
from tests.offices import workshop

pytestmark = pytest.mark.real

RECIPES = Path(__file__).parents[2] / "docs/recipes"


@pytest.fixture(scope="module")
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """A product with a trust root, and images for its first release."""
    with workshop(lab_engine, {"ann": Kind.SSH, "bob": Kind.SSH}) as made:
        made.found("--threshold", "2")
        made.push_images("1.0.0")
        made[JOB].git("fetch", "--quiet")
        yield made


def script_of(recipe: str, name: str) -> str:
    """What a step types."""
    text = (RECIPES / f"{recipe}.yml").read_text()
    found = re.search(rf"- name: {name}\n(?:.*\n)*?        run: \|\n((?:          .*\n)+)", text)
    assert found is not None
    return textwrap.dedent(found[1])


def run_step(shop: Workshop, recipe: str, name: str, **more: str) -> str:
    """Runs a step as GitHub does, in a fresh clone of the job; what it printed."""
    # the forge's own command is all that is not here
    script = script_of(recipe, name).replace("gh release", "echo gh release")
    known = {k: v for k, v in shop[JOB].environment.items() if k != "SSH_AUTH_SOCK"}
    key = (shop.root / "online/freshness").read_text().strip()
    done = subprocess.run(
        ["bash", "-e", "-c", f"trap 'kill ${{SSH_AGENT_PID:-}} 2>/dev/null || :' EXIT\n{script}"],
        cwd=shop[JOB].clone,
        env={**known, "VERSION": "1.0.0", "FRESHNESS_KEY": key, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_release_comes_about_by_the_recipe(shop: Workshop) -> None:
    """Prepared by a job, signed by people elsewhere, published by a job without their keys."""
    made = run_step(shop, "release", "Prepare", NOTES="Now `with` $notes", SECURITY="--security")
    assert "notes           Now `with` $notes" in made
    assert "stable, security, number 1" in made

    file = "koprogo-v1.0.0.draft.json"
    for name in ("ann", "bob"):
        shop[name].must("cosign", file, "--yes", folder=shop.carry(file, JOB, name))
        shop.bring_back(file, name, JOB)

    published = run_step(shop, "release", "Publish")
    assert "trusted by trust root 1: signed by bob, ann" in published
    assert published.endswith("gh release edit v1.0.0 --draft=false\n")


def test_the_freshness_job_goes_on_from_what_the_remote_has(shop: Workshop) -> None:
    """It carries over what somebody said meanwhile, in a clone that knows nothing of it."""
    shop["ann"].must("hold", "1.0.0", "--reason", "wait")
    assert "v1.0.0: wait" in run_step(shop, "freshness", "Renew")


@pytest.mark.parametrize(("typed", "code"), [(version, 0), ("99.0.0", 1), (".*", 1)])
def test_an_image_of_the_agent_is_built_for_the_version_that_its_commit_tells(
    typed: str, code: int
) -> None:
    """Another one would be found by `prepare`, after it was pushed for everybody to see."""
    done = subprocess.run(
        ["bash", "-e", "-c", script_of("agent", "Look at the version")],
        cwd=RECIPES.parents[1],
        env={"PATH": os.environ["PATH"], "VERSION": typed},
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stdout


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yml")), ids=lambda one: one.stem)
def test_actions_are_pinned_to_commits(recipe: Path) -> None:
    """A tag of theirs may move, and what it moves to would hold the job's key."""
    used = re.findall(r"uses: (\S+)(.*)", recipe.read_text())
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
