"""`config init` beside a stack that runs: what it writes of the stack, by real parts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.instance import Instance, words_of_init
from tests.lab import oci
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.typist import type_in

pytestmark = pytest.mark.real


def test_the_pattern_of_image_tags_is_the_registrys(lab: Lab, tmp_path: Path) -> None:
    """The newest release has its images under v9.9.9 alone, which is not the default."""
    release = lab.publisher.publish(Kind.GOOD)
    tree = lab.install(release)
    for image in release.images.values():
        oci.publish(image, lab.registry, ["v9.9.9"])
    lab.origin.repository.point("refs/tags/v9.9.9", release.tag_object)
    file = tmp_path / "config.toml"
    environment = {
        **Instance.create(lab).environment,
        "KOPROGO_AGENT_TRUST__DIRECTORY": str(tmp_path / "trust"),
    }
    words = ("koprogo-agent", *words_of_init(lab, file))
    done = type_in(words, environment, tmp_path, 120)
    assert done.returncode == 0, done.stdout + done.stderr
    written = tomllib.loads(file.read_text())
    stack = written["stack"]
    assert (stack["directory"], stack["image_tag"]) == (str(tree), "{tag}")
    assert "The registry has the images under v9.9.9" in done.stdout
    (probe,) = written["probe"]
    assert probe["url"] == f"{lab.stack.url}/api/v1/health"
    assert (probe["host"], probe["service"]) == (lab.stack.api_domain, "backend")
    assert "Users count as in when" in done.stdout
