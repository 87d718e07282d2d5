"""`koprogo-release.toml`: KoproGo's without a file, and every fault told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.release.settings import FILE, ReleaseSettings, load
from koprogo_agent.settings.sections import Stack

ROOT = Path(__file__).parents[2]


def test_without_a_file_it_is_koprogo(tmp_path: Path) -> None:
    """As instances that keep the defaults have it."""
    settings = load(tmp_path)
    assert settings.compose_files == Stack().compose_files
    assert (settings.product, settings.channel, settings.trust_branch) == (
        "koprogo",
        "stable",
        "trust",
    )


def test_every_key_is_described() -> None:
    """The description is what a fault's message explains the key by."""
    assert all(field.description for field in ReleaseSettings.model_fields.values())


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """With what is wrong and what is meant."""
    (tmp_path / FILE).write_text(
        'compose_file = ["x.yml"]\nvalid_for = 0\nmigrations = "/abs"\n[values]\n"A B" = "1"\n'
    )
    with pytest.raises(NeedsOperator) as wrong:
        load(tmp_path)

    assert wrong.value.code == "config.invalid"
    assert "4 faults" in wrong.value.message
    assert "did you mean compose_files?" in wrong.value.message
    assert "must be at least 1 (days for which a release may be newly installed)" in (
        wrong.value.message
    )


def test_something_is_deployed(tmp_path: Path) -> None:
    """Compose files, or files beside them: a release of nothing would be no release."""
    (tmp_path / FILE).write_text("compose_files = []\n")
    with pytest.raises(NeedsOperator, match="taken together: nothing is deployed"):
        load(tmp_path)
    (tmp_path / FILE).write_text('compose_files = []\nfiles = ["requirements.lock"]\n')
    assert load(tmp_path).files == ("requirements.lock",)


def test_the_agent_is_released_with_what_lies_in_its_image() -> None:
    """`make image` copies the files that the manifest names, so that an agent can compare them."""
    settings = load(ROOT)
    copied = re.search(r"\tcp -r (.+) \$\(1\)/\n", (ROOT / "Makefile").read_text())
    assert settings.product == "koprogo-agent"
    assert copied is not None
    assert sorted(settings.files) == sorted(copied[1].split())


@pytest.mark.parametrize("raw", [b"x = ", b"\xff"])
def test_a_file_that_is_no_toml_is_said_to_be_none(tmp_path: Path, raw: bytes) -> None:
    """And where."""
    (tmp_path / FILE).write_bytes(raw)
    with pytest.raises(NeedsOperator, match="it is not TOML") as wrong:
        load(tmp_path)
    assert FILE in wrong.value.advice
