"""The questions of the first configuration, as people answer them."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner

from koprogo_agent.cli.asking import Asker
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.main import run
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.setup.sample import sample
from koprogo_agent.setup.stacks import Running
from koprogo_agent.setup.words import Language, Question, say
from koprogo_agent.wire.report import Operation, Pending, Report, Transition

Answer = TypeVar("Answer")


def stack(name: str) -> Running:
    """One that runs."""
    return Running(name, ("backend",), (), Path("/srv") / name, ("compose.yml",), ())


def answering(text: str, ask: Callable[[], Answer]) -> tuple[Answer, str]:
    """What comes of the questions, and what was shown, where somebody types these lines."""
    with CliRunner().isolation(input=text) as (out, *_):
        answer = ask()
        return answer, out.getvalue().decode()


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("typed", ["", "oui", "JA", "o", "j", "y"])
def test_yes_is_what_people_say_for_it(language: Language, typed: str) -> None:
    """In any of the languages: a Belgian's fingers know more than one."""
    ask = Asker(language, quiet=False)
    chosen, shown = answering(f"{typed}\n", lambda: ask.choose([stack("koprogo")]))
    assert chosen.project == "koprogo"
    assert say(Question.NOTHING_RESTARTS, language) in shown


@pytest.mark.parametrize("typed", ["n", "Non", "nee", "nein"])
def test_no_says_what_to_type_instead(typed: str) -> None:
    """Rather than that it was aborted."""
    ask = Asker(Language.FR, quiet=False)
    with pytest.raises(NeedsOperator) as told:
        answering(f"hm\n{typed}\n", lambda: ask.choose([stack("koprogo")]))
    assert (told.value.code, "--project" in told.value.advice) == ("setup.declined", True)


def test_one_of_several_is_chosen_by_its_name() -> None:
    """What is none of them is asked again; Enter takes the first."""
    ask, both = Asker(Language.NL, quiet=False), [stack("koprogo"), stack("web")]
    assert answering("wbe\nweb\n", lambda: ask.choose(both))[0].project == "web"
    assert answering("\n", lambda: ask.choose(both))[0].project == "koprogo"


def test_what_is_no_address_is_asked_again() -> None:
    """An e-mail address alone would be believed, and nobody would ever be told."""
    told, shown = answering(
        "ann@example.org\nmailto://u:p@example.org ntfy://topic\n",
        Asker(Language.FR, quiet=False).addresses,
    )
    assert told == ["mailto://u:p@example.org", "ntfy://topic"]
    assert "ann@example.org n'est pas" in shown
    assert answering("\n", Asker(Language.FR, quiet=False).addresses)[0] == []


@pytest.mark.parametrize("language", Language)
def test_whether_the_association_may_know_is_never_taken_for_granted(language: Language) -> None:
    """Enter alone is asked again; whoever wants to see it all beforehand does."""
    ask = Asker(language, quiet=False)
    may, shown = answering("\n?\nperhaps\nja\n", ask.reports)
    assert may
    assert shown.count(say(Question.YES_NO_OR_SHOW, language)) == 4
    assert '"schema": 1' in shown
    assert answering("n\n", ask.reports)[0] is False
    assert answering("", Asker(language, quiet=True).reports) == (False, "")


def test_what_is_shown_beforehand_is_all_that_a_report_can_hold() -> None:
    """Every member of every part: nothing comes later that nobody has seen."""
    shown = json.loads(sample())
    parts = {
        Report: shown,
        Operation: shown["operation"],
        Pending: shown["pending"],
        Transition: shown["transitions"][0],
    }
    for kind, part in parts.items():
        assert set(part) == {field.name for field in fields(kind)}


def test_where_nobody_is_there_it_says_how_to_answer() -> None:
    """As in a script, or over ssh without a terminal."""
    with pytest.raises(NeedsOperator) as told:
        answering("", Asker(Language.EN, quiet=False).addresses)
    assert (told.value.code, "--yes" in told.value.advice) == ("setup.no_terminal", True)


class _EmptyEngine(socketserver.StreamRequestHandler):
    """A Docker engine on which nothing runs."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")


@pytest.fixture
def docker_host(tmp_path: Path) -> Iterator[str]:
    """The address of an engine on which nothing runs."""
    path = str(tmp_path / "docker.sock")
    with socketserver.UnixStreamServer(path, _EmptyEngine) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"unix://{path}"
        server.shutdown()


@pytest.mark.parametrize(
    "words",
    [("--notify", "ann@example.org"), ("--source-url", "-u")],
    ids=["an address", "a source"],
)
def test_what_cannot_be_used_is_not_kept(
    words: tuple[str, str], tmp_path: Path, docker_host: str
) -> None:
    """Else the next run would find it, and ask no more."""
    file = tmp_path / "config.toml"
    every = ["config", "init", "--yes", "--config", str(file), "--docker-host", docker_host]
    assert run([*every, *words]) == Exit.USAGE
    assert not file.exists()
