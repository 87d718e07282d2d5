"""Words from outside that would do something to the terminal, or the log, of who reads them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED
from tests.attacks.field import CODE, Field
from tests.attacks.people import FRESHNESS, renewal, replaced
from tests.lab.forgeries import Forgery
from tests.lab.front import Act
from tests.lab.hostile import answers, lists, says, to_fetches, to_lists
from tests.lab.recipes import Kind

pytestmark = pytest.mark.real

EVIL = "\x1b[2J\x1b]0;owned\x07\r\x9b31m all is well\u202e\u2066"
"""Clears the screen, names the window, goes back, colours, and turns the text round."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What the agent itself may send to a terminal."""


def shown(field: Field, *words: str) -> str:
    """What a terminal is sent for a verb, without colours and line ends."""
    ours, theirs = pty.openpty()
    environment = {**field.instance.environment, "PYTHONPATH": str(CODE), "TERM": "xterm-256color"}
    program = Path(sys.executable).parent / "koprogo-agent"
    with subprocess.Popen([program, *words], env=environment, stdout=theirs, stderr=theirs):
        os.close(theirs)
        sent = b""
        while piece := _read(ours):
            sent += piece
    os.close(ours)
    return COLOUR.sub("", sent.decode()).replace("\r\n", " ")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other end was closed
        return b""


def harmless(text: str) -> bool:
    """Whether nothing in a text moves, hides or turns anything."""
    return all(one.isprintable() for one in text)


@pytest.mark.parametrize(
    "forgery", [Forgery.ESCAPES, Forgery.HIDDEN_TEXT], ids=lambda one: one.name.lower()
)
def test_a_message_that_would_fool_its_reader_is_refused(field: Field, forgery: Forgery) -> None:
    """In a tag that is signed as it should be; what is told of it is harmless itself."""
    field.try_out(forgery, *REFUSED[forgery])
    for verb in (("why",), ("status",), ("check",), ("verify", "v1.0.0")):
        said = shown(field, *verb)
        assert said
        assert harmless(said), (verb, said)


def test_a_reason_that_would_fool_its_reader_is_refused(field: Field) -> None:
    """What the online key says is shown to people: it is one line of printable characters."""
    raw = renewal(field.lab, 1, held={"9.9.9": f"wait {EVIL}"})
    with replaced(field.lab, FRESHNESS, raw):
        field.disbelieves("freshness", "freshness.invalid", "printable characters")
        assert harmless(shown(field, "status"))
    field.settles()


def test_names_that_would_fool_their_reader_are_never_shown(field: Field) -> None:
    """Git would not make such a ref; a server can list it."""
    names = (f"refs/tags/v9.9.9{EVIL}", f"refs/tags/{EVIL}", f"refs/heads/{EVIL}")
    with field.failing(field.lab.origin.front, Act(to_lists(lists(*names)))):
        said = shown(field, "check")
        assert harmless(said)
        assert "owned" not in said
    field.watches_idly()


@pytest.mark.parametrize("deed", [to_lists, to_fetches], ids=["a list", "a fetch"])
def test_what_a_source_says_is_shown_without_effect(field: Field, deed: object) -> None:
    """In the message, on the terminal, in the log, and in the journal's own words."""
    assert callable(deed)
    release = field.lab.publisher.publish(Kind.GOOD)
    with field.failing(field.lab.origin.front, Act(deed(says(f"upload-pack: {EVIL}")))):
        field.cannot_poll("source.failed", "all is well")
        said = shown(field, "check")
        assert "all is well" in said
        assert harmless(said)
    assert harmless(shown(field, "status"))
    field.forger.withdraw(release)


def test_what_a_registry_says_is_shown_without_effect(field: Field) -> None:
    """Its words come through the engine, into the journal and to people."""
    release = field.lab.publisher.publish(Kind.GOOD)
    words = EVIL.encode("unicode_escape").replace(b"\\x", b"\\u00").decode()
    body = f'{{"errors":[{{"code":"DENIED","message":"{words}"}}]}}'.encode()
    denies = Act(answers(403, body, "application/json"), "/koprogo/")
    with field.failing(field.lab.registry.front, denies):
        field.stops(release.tag, Outcome.CANCELLED, "registry.unauthorized", "all is well")
    for verb in ("why", "status", "history"):
        assert harmless(shown(field, verb))
    field.forger.withdraw(release)
