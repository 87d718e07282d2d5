"""The command line: exit codes, words for people, JSON for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from koprogo_agent import __version__
from koprogo_agent.cli import render
from koprogo_agent.cli.exits import Exit, code_of, tell
from koprogo_agent.cli.main import run
from koprogo_agent.domain.proxy import variables_set
from koprogo_agent.errors import AgentError, NeedsOperator, Refused, RetryLater, StepFailed

EXAMPLE = str(Path(__file__).parents[2] / "config.example.toml")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RetryLater("x", code="git.unreachable"), Exit.LATER),
        (Refused("x", code="tag.moved"), Exit.REFUSED),
        (StepFailed("x", code="gate.failed"), Exit.FAILED),
        (NeedsOperator("x", code="disk.full"), Exit.OPERATOR),
        (NeedsOperator("x", code="config.invalid"), Exit.USAGE),
    ],
)
def test_an_error_is_named_by_what_happens_next_and_so_is_its_code(
    error: AgentError, code: Exit
) -> None:
    """Scripts decide by these numbers; they never change."""
    assert code_of(error) is code
    assert [int(it) for it in Exit] == [0, 1, 2, 3, 4, 5, 75]


def test_an_error_is_told_without_secrets_and_without_effects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On standard error, with what to type next, which stands on a line of its own."""
    tell(RetryLater("cannot reach https://u:CANARY@h\x1b[2J", code="x", advice="type: again"))

    assert capsys.readouterr().err == (
        "koprogo-agent: cannot reach https://***@h\\u001b[2J\nwhat to do: type: again\n"
    )


def test_check_says_yes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words and in JSON."""
    for name in variables_set(os.environ):
        monkeypatch.delenv(name)
    assert run(["config", "check", "--config", EXAMPLE]) == Exit.DONE
    assert capsys.readouterr().out == f"the configuration in {EXAMPLE} is valid\n"

    assert run(["config", "check", "--config", EXAMPLE, "--json"]) == Exit.DONE
    said = {"valid": True, "file": EXAMPLE, "older": [], "notes": []}
    assert json.loads(capsys.readouterr().out) == said


def test_check_tells_what_is_of_an_older_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is valid, it is said how it is read, and what to type."""
    file = tmp_path / "config.toml"
    file.write_text("[source]\ninterval = 0.5\n")

    assert run(["config", "check", "--config", str(file)]) == Exit.DONE
    out = capsys.readouterr().out
    assert "is valid" in out
    assert "source.interval is read otherwise since 0.1.0" in out
    assert "koprogo-agent config migrate" in out

    assert run(["config", "check", "--config", str(file), "--json"]) == Exit.DONE
    (older,) = json.loads(capsys.readouterr().out)["older"]
    assert (older["key"], older["now"], older["since"]) == (*["source.interval"] * 2, "0.1.0")


def test_check_tells_a_fault_and_leaves_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and what is right."""
    file = tmp_path / "config.toml"
    file.write_text("[source]\nulr = 'x'\n")

    assert run(["config", "check", "--config", str(file)]) == Exit.USAGE
    err = capsys.readouterr().err
    assert "source.ulr: there is no such key; did you mean url?" in err
    assert "Traceback" not in err

    assert run(["config", "check", "--config", str(file), "--json"]) == Exit.USAGE
    document = json.loads(capsys.readouterr().out)
    assert (document["valid"], "did you mean url?" in document["message"]) == (False, True)


def test_show_shows_what_is_in_force_and_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, environment and defaults together; what differs from the default is marked."""
    file = tmp_path / "config.toml"
    file.write_text("[notify]\nurls = ['mailto://u:CANARY@example.org']\n[gate]\nsamples = 4\n")
    monkeypatch.setenv("KOPROGO_AGENT_GATE__INTERVAL", "1")

    assert run(["config", "show", "--config", str(file)]) == Exit.DONE
    rows = {
        line.split("  ")[1]: line for line in capsys.readouterr().out.splitlines() if "  " in line
    }
    assert "good looks in a row" in rows["gate.samples *"]
    assert "gate.interval *" in rows
    assert "180" in rows["gate.deadline"]
    assert "CANARY" not in "".join(rows.values())

    assert run(["config", "show", "--config", str(file), "--json"]) == Exit.DONE
    out = capsys.readouterr().out
    assert json.loads(out)["gate"] == {
        "samples": 4,
        "interval": 1.0,
        "closed_interval": 0.1,
        "deadline": 180.0,
        "max_deadline": 1800.0,
        "max_restarts": 2,
    }
    assert "CANARY" not in out


@pytest.mark.parametrize(
    "arguments", [["updte"], ["config", "check", "--jsn"], ["config", "check", "more"]]
)
def test_wrong_words_leave_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And say how to get help."""
    assert run(arguments) == Exit.USAGE
    assert "--help" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """They are no failures."""
    assert run(["--help"]) == Exit.DONE
    assert "config" in capsys.readouterr().out
    assert run(["--version"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("koprogo-agent 0.")


def test_what_is_printed_has_no_markup_and_no_effects(capsys: pytest.CaptureFixture[str]) -> None:
    """A tag may be called anything."""
    render.line("[red]v1\x1b[2J[/red]")
    render.table("[b]t", ("tag",), [("[bold]v1\nforged",)])
    render.as_json({"tag": "\x9b[x]"})

    out = capsys.readouterr().out
    assert "[red]v1\\u001b[2J[/red]" in out
    assert "[bold]v1\\nforged" in out
    assert "\\u009b[x]" in out


@pytest.mark.parametrize("name", ["koprogo-agent", "koprogo-release"])
def test_the_installed_program_starts(name: str) -> None:
    """Most of what other tests type is forked from a process that has started long before."""
    program = [str(Path(sys.executable).parent / name), "--version"]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout

    assert printed == f"{name} {__version__}\n"


def test_starting_it_is_light() -> None:
    """Typer and Rich come with the first verb that wants them, so never into the daemon."""
    program = (
        "import sys, koprogo_agent.cli.main;"
        "print(sorted({'typer', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert printed.stdout.decode().strip() == "[]"
