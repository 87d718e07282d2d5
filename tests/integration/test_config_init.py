"""`config init` beside a stack that runs: what it writes of the stack, by real parts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from koprogo_agent.domain.root import read_root
from tests.instance import Instance, words_of_init
from tests.lab import oci
from tests.lab.lab import Lab
from tests.lab.proxy import ForwardProxy
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


def test_the_trust_root_comes_through_the_proxy(lab: Lab, tmp_path: Path) -> None:
    """Only the proxy knows where the source is; the configuration and the doctor have it, too."""
    file = tmp_path / "config.toml"
    environment = {
        **Instance(lab, lab.stack.tree, file).environment,
        "KOPROGO_AGENT_TRUST__DIRECTORY": str(tmp_path / "trust"),
    }
    typed = words_of_init(lab, file)[:-2]  # without a root that was brought
    given = [word.replace(lab.origin.url, "https://git.lab.test/koprogo.git") for word in typed]
    sha256 = read_root(lab.association.files["root/1.json"]).envelope.sha256
    with ForwardProxy({"git.lab.test:443": lab.origin.front.address}) as proxy:
        words = ("koprogo-agent", *given, "--proxy", proxy.address, "--trust-sha256", sha256)
        done = type_in(words, environment, tmp_path, 120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(proxy.log) == {("git.lab.test:443", 200)}
        examined = ("koprogo-agent", "doctor", "--config", str(file))
        said = " ".join(type_in(examined, environment, tmp_path, 120).stdout.split())
        assert f"{proxy.address} answers" in said
        assert f"through the proxy {proxy.address}" in said
        assert "s from the git server's" in said
        assert "needs none" in said  # its registry is on this machine
    assert tomllib.loads(file.read_text())["network"] == {"proxy": proxy.address}
    assert (tmp_path / "trust/root.json").is_file()
