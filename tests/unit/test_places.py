"""Several stacks on one machine: each agent has its own things, by whatever way it is spoken to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer

from koprogo_agent import places
from koprogo_agent.cli.app import app
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.main import run
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.places import command, configuration_of, instance_of, service, typed_here
from koprogo_agent.settings import Settings, load

FAUBOURG = Path("/etc/koprogo-agent/faubourg/config.toml")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configurations, with one for the instance `faubourg`."""
    monkeypatch.setattr(places, "FOLDER", tmp_path)
    monkeypatch.setenv("KOPROGO_AGENT_CONFIG", "")
    (tmp_path / "faubourg").mkdir()
    (tmp_path / "faubourg/config.toml").write_text("[stack]\nproject = 'faubourg'\n")
    (tmp_path / "config.toml").touch()
    return tmp_path


def test_an_instance_has_its_own_state_lock_and_backups_and_the_machines_trust(
    folder: Path,
) -> None:
    """Two agents that shared one of the first three would wait for each other, or worse.

    And the program of all is brought up to date by one.
    """
    settings, one = load(folder / "faubourg/config.toml"), Settings()
    assert str(settings.state.directory) == "/var/lib/koprogo-agent-faubourg"
    assert str(settings.state.run_directory) == "/run/koprogo-agent-faubourg"
    assert str(settings.backup.directory) == "/var/lib/koprogo-agent-faubourg/backups"
    assert settings.trust == one.trust
    assert (settings.agent.update, one.agent.update) == (False, True)
    assert load(folder / "config.toml") == one


def test_what_the_operator_writes_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are defaults, no more."""
    file = folder / "faubourg/config.toml"
    file.write_text("[state]\ndirectory = '/srv/state'\n")
    monkeypatch.setenv("KOPROGO_AGENT_BACKUP__DIRECTORY", "/srv/backups")
    settings = load(file)
    assert (str(settings.state.directory), str(settings.backup.directory)) == (
        "/srv/state",
        "/srv/backups",
    )
    assert str(settings.state.run_directory) == "/run/koprogo-agent-faubourg"


def test_it_is_known_by_every_way_to_name_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would act upon what is another's."""
    file = folder / "faubourg/config.toml"
    (folder / "link.toml").symlink_to(file)
    file.rename(folder / "mine.toml")
    file.symlink_to("../mine.toml")
    monkeypatch.chdir(folder / "faubourg")
    names = [file, Path("config.toml"), folder / "faubourg/../faubourg/config.toml"]
    assert {instance_of(name) for name in names} == {"faubourg"}
    file.unlink()
    (folder / "mine.toml").rename(file)
    assert {instance_of(name) for name in (*names, folder / "link.toml")} == {"faubourg"}


@pytest.mark.parametrize(
    "file",
    [
        *("/etc/koprogo-agent/config.toml", "/etc/koprogo-agent/trust/config.toml"),
        *("/etc/koprogo-agent/Faubourg/config.toml", "/etc/koprogo-agent/a/b/config.toml"),
        *("/etc/koprogo-agent/faubourg/other.toml", "/home/faubourg/config.toml"),
    ],
)
def test_no_other_file_makes_an_instance(file: str) -> None:
    """Least of all that of the agent without a name."""
    assert instance_of(Path(file)) is None


@pytest.mark.parametrize("name", ["", "trust", "A", "../x", "a/b", "-a", "a b", "a.b", "x" * 33])
def test_a_name_that_none_can_have(name: str) -> None:
    """It becomes the name of folders and of a service."""
    with pytest.raises(NeedsOperator, match="is no name for an instance"):
        configuration_of(name)


def test_the_word_for_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--instance NAME` before the verb; `--config` behind it wins."""
    assert run(["--instance", "faubourg", "config", "show", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["stack"]["project"] == "faubourg"
    other = str(folder / "config.toml")
    assert run(["--instance", "faubourg", "config", "show", "--json", "-c", other]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["stack"]["project"] == "koprogo"
    assert os.environ["KOPROGO_AGENT_CONFIG"] == str(folder / "faubourg/config.toml")


def test_an_instance_that_cannot_be_is_a_fault(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one that is not there is a configuration that is not there."""
    assert run(["--instance", "trust", "config", "check"]) == Exit.USAGE
    assert "no name for an instance" in capsys.readouterr().err
    assert run(["--instance", "attic", "config", "check"]) == Exit.USAGE
    assert f"{folder}/attic/config.toml" in capsys.readouterr().err


def test_what_to_type_and_which_service_it_is() -> None:
    """So that advice can be followed as it is."""
    assert command(places.DEFAULT, "config migrate") == "koprogo-agent config migrate"
    assert command(FAUBOURG, "doctor") == "koprogo-agent --instance faubourg doctor"
    assert command(Path("/x.toml"), "doctor") == "koprogo-agent doctor --config /x.toml"
    assert service(places.DEFAULT) == "koprogo-agent"
    assert service(FAUBOURG) == "koprogo-agent@faubourg"


def test_advice_is_for_the_instance_that_gives_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed as it stands elsewhere, it would reach another stack."""
    said = "koprogo-agent rollback, or `koprogo-agent why`: koprogo-agent again"
    assert typed_here(said) == said
    monkeypatch.setenv(places.VARIABLE, str(folder / "faubourg/config.toml"))
    mine = "koprogo-agent --instance faubourg"
    assert typed_here(said) == f"{mine} rollback, or `{mine} why`: koprogo-agent again"
    assert typed_here(typed_here(said)) == typed_here(said)
    restart = "systemctl restart koprogo-agent, journalctl -u koprogo-agent-hold"
    assert typed_here(restart) == restart.replace("agent,", "agent@faubourg,")
    assert typed_here(typed_here(restart)) == typed_here(restart)


def test_every_verb_is_known_in_advice() -> None:
    """One that is added to the command line is added there."""
    verbs = typer.main.get_group(app).commands
    assert set(places.VERBS) == {name for name, one in verbs.items() if not one.hidden}


def test_a_configuration_that_leads_nowhere_breaks_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A symlink to itself: what tells of it must be able to speak."""
    loop = tmp_path / "config.toml"
    loop.symlink_to(loop)
    monkeypatch.setenv(places.VARIABLE, str(loop))
    assert typed_here("koprogo-agent doctor") == "koprogo-agent doctor"
