"""`koprogo-agent try`: what a version says of itself to the one before it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from koprogo_agent import __version__
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.main import run
from koprogo_agent.doctor import hold, machine, network, registry, source
from koprogo_agent.doctor.examination import CHECKS, HERE
from tests.journals import filled


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration on a machine without an engine, whose source would never answer."""
    file = tmp_path / "config.toml"
    file.write_text(f"""
[source]
url = "https://192.0.2.1/never.git"
[stack]
docker_host = "unix://{tmp_path}/no-docker.sock"
directory = "{tmp_path}/stack"
[state]
directory = "{tmp_path}/state"
run_directory = "{tmp_path}/run"
""")
    return file


def tried(config: Path, journal: Path, version: str = __version__) -> int:
    """The exit code."""
    words = ("try", "--as", version, "--journal", str(journal), "--config", str(config))
    return run(words)


def test_it_can_work_whatever_is_wrong_with_the_machine(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version before it would find the same; and the network is not asked."""
    journal = tmp_path / "copy.db"
    filled(journal)
    assert tried(config, journal) == Exit.DONE
    assert f"{__version__} can work here" in capsys.readouterr().out


def test_it_needs_nothing_that_only_a_server_has(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an agent that is not installed, and no version would ever be fit."""
    for name in [one for one in sys.modules if ".fleet" in one]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("alembic", "msgspec", "prometheus_client", "sqlalchemy", "starlette", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    journal = tmp_path / "copy.db"
    filled(journal)
    assert tried(config, journal) == Exit.DONE


def test_nothing_that_it_looks_at_is_elsewhere() -> None:
    """A source that does not answer today would keep a good version out for good."""
    elsewhere = {
        *(machine.clock, network.proxy, source.source),
        *(registry.image_tags, hold.waiting_room),
    }
    assert set(CHECKS) - set(HERE) == elsewhere


def test_another_version_than_its_release_says_is_unfit(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be brought here again every hour."""
    assert tried(config, tmp_path / "copy.db", "9.9.9") == Exit.FAILED
    assert f"it is {__version__}, and should be 9.9.9" in capsys.readouterr().err


def test_a_journal_that_it_cannot_read_makes_it_unfit(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would set aside what the one before it can still read."""
    journal = tmp_path / "copy.db"
    journal.write_bytes(b"no journal" * 1000)
    assert tried(config, journal) == Exit.FAILED
    assert "it cannot read the journal" in capsys.readouterr().err


def test_a_configuration_that_it_does_not_understand_makes_it_unfit(tmp_path: Path) -> None:
    """Nobody would be there to correct it."""
    config = tmp_path / "config.toml"
    config.write_text("[source]\nulr = 'x'\n")
    assert tried(config, tmp_path / "copy.db") == Exit.USAGE
