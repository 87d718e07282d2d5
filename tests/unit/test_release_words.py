"""The words of `koprogo-release`: what is typed, and what the documents promise."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.release.app import app
from koprogo_agent.cli.release.main import run
from koprogo_agent.cli.release.options import read_instant, read_named, read_span

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "docs/releasing.md", *sorted((ROOT / "docs/recipes").glob("*.yml")))
VERBS = {
    *("init", "rotate", "prepare", "sign", "cosign", "publish", "verify", "status", "freshness"),
    *("hold", "release-hold", "yank", "rollout"),
}


def commands() -> Iterator[str]:
    """Every command that the documents tell somebody to type."""
    for file in DOCUMENTS:
        text = file.read_text().replace("\\\n", " ")
        yield from re.findall(r"koprogo-release ([a-z][^\n`#|)};]*)", text)


def test_there_are_these_verbs() -> None:
    """Scripts and habits rely on them."""
    assert set(get_command(app).commands) == VERBS  # type: ignore[attr-defined]


@pytest.mark.parametrize("typed", sorted(set(commands())))
def test_what_the_documents_tell_one_to_type_exists(typed: str) -> None:
    """Verb and options alike."""
    verb, *words = shlex.split(typed)
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    known = {option for one in command.params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("48h", timedelta(hours=48)),
        ("3d", timedelta(days=3)),
    ],
)
def test_a_span_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    """As people write it."""
    assert read_span(text) == span


@pytest.mark.parametrize("text", ["3", "d", "-3d", "1.5h", "3 d", "3w", ""])
def test_what_is_no_span_is_refused(text: str) -> None:
    """A rollout of three of nobody knows what must not begin."""
    with pytest.raises(typer.BadParameter):
        read_span(text)


def test_an_instant_is_in_utc_unless_it_says_otherwise() -> None:
    """Release managers sit in several zones, and instances in more."""
    eight = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert read_instant("2026-11-24T08:00") == eight
    assert read_instant("2026-11-24T09:00+01:00") == eight
    with pytest.raises(typer.BadParameter):
        read_instant("tomorrow")


def test_a_key_is_given_with_its_name() -> None:
    """A path may hold an equals sign itself."""
    assert read_named("ann=/a=b.pub") == ("ann", "/a=b.pub")
    for text in ("ann", "ann=", "=x"):
        with pytest.raises(typer.BadParameter):
            read_named(text)


def test_messages_name_the_program_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the agent, which the release manager may never have seen."""
    monkeypatch.chdir(tmp_path)
    assert run(["status"]) == Exit.OPERATOR
    assert capsys.readouterr().err.startswith("koprogo-release: ")


@pytest.mark.parametrize(
    "words",
    [
        ["hodl"],
        ["hold", "1.0.0"],
        ["publish", "x", "--rollout", "3"],
        ["publish", "x", "--share", "9"],
        ["verify"],
    ],
)
def test_wrong_words_leave_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And say how to get help."""
    assert run(words) == Exit.USAGE
    assert "--help" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """They are no failures."""
    assert run(["--help"]) == Exit.DONE
    assert run(["--version"]) == Exit.DONE
    assert "koprogo-release 0." in capsys.readouterr().out


def test_the_daemon_never_meets_the_release_managers_tool() -> None:
    """Nothing below may import it; what the agent needs it has."""
    program = (
        "import sys, koprogo_agent.wiring, koprogo_agent.daemon;"
        "print([name for name in sys.modules if name.startswith('koprogo_agent.release')])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert printed.stdout.decode().strip() == "[]"
