"""Logging: one door, behind which no secret and no forged line gets out."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from koprogo_agent import logs

SECRETS = {
    "a password in a URL": "https://bot:CANARY@example.org/r.git",
    "a token in a URL": "fetching https://CANARY@example.org/r.git failed",
    "an at sign in it": "https://bot:CAN@RY-CANARY@example.org/",
    "a database": "postgresql://koprogo:CANARY@postgres:5432/koprogo_db",
    "a slash in it": "postgres://koprogo:CAN/CANARY@postgres/db",
    "an assignment": "POSTGRES_PASSWORD=CANARY docker compose up",
    "a key of S3": "S3_SECRET_KEY: 'CANARY with blanks'",
    "a header": "Authorization: Bearer CANARY",
    "a bare bearer": "sent bearer CANARY12345",
    "JSON": '{"identitytoken": "CANARY", "a": 1}',
    "libpq": "host=db password='CANARY' user=x",
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY\n-----END …",
}
HARMLESS = [
    "cannot reach http://127.0.0.1:5000/v2/ or http://127.0.0.1:8080",
    "pulled ghcr.io/gilmry/koprogo/backend@sha256:0123456789",
    "git@github.com:gilmry/koprogo.git",
    'FATAL: password authentication failed for user "koprogo"',
    "https://example.org/a@b",
]


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Logging belongs to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def logged(event: str = "step.done", *, secrets: tuple[str, ...] = (), **keys: Any) -> str:  # noqa: ANN401
    """The line that one event becomes."""
    stream = io.StringIO()
    logs.configure("info", secrets=secrets, stream=stream)
    logs.get_logger().info(event, **keys)
    return stream.getvalue()


def parsed(line: str) -> dict[str, Any]:
    """A line of JSON as a document."""
    document: dict[str, Any] = json.loads(line)
    return document


def test_an_event_is_one_line_of_json() -> None:
    """With its keys as they are."""
    document = parsed(logged(tag="v1.2.0", seconds=1.5, dry=False, parts=("a", 2), none=None))

    assert datetime.fromisoformat(document.pop("timestamp")).tzinfo == UTC
    assert document == {
        "event": "step.done",
        "level": "info",
        "tag": "v1.2.0",
        "seconds": 1.5,
        "dry": False,
        "parts": ["a", 2],
        "none": None,
    }


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_no_secret_in_a_text_gets_out(text: str) -> None:
    """Wherever the text stands: event, value, key, bytes, nested, exception."""
    error = ValueError(text)
    line = logged(
        text,
        value=text,
        raw=text.encode(),
        error=error,
        deep=[{"x": {text: [text]}}],
        exc_info=error,
    )

    assert "CANARY" not in line
    assert "***" in line


@pytest.mark.parametrize(
    "name", ["password", "db_password", "api_token", "Authorization", "secret"]
)
def test_what_is_named_a_secret_is_one(name: str) -> None:
    """Whatever its value looks like."""
    keys: dict[str, Any] = {name: "CANARY", "deep": {name: ["CANARY"]}}

    assert "CANARY" not in logged(**keys)


def test_known_secrets_and_secret_values_do_not_get_out() -> None:
    """Those of the settings, in any place."""
    line = logged(secrets=("CANARY/1",), a="x CANARY/1 y", b=SecretStr("CANARY/2"))

    assert "CANARY" not in line


def test_a_secret_that_is_cut_off_is_not_half_shown() -> None:
    """Long texts are cut; what is cut was clean before."""
    line = logged(secrets=("CANARY" * 4,), a="x" * 7990 + "CANARY" * 4)

    assert "CANARY" not in line
    assert len(line) < 8500


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    """A message without its address helps nobody."""
    assert parsed(logged(text=text))["text"] == text


def test_no_line_can_be_forged() -> None:
    """A registry's answer must not write journal entries, nor play with a terminal."""
    answer = "\x1b[2Jgone\r\n<0>forged\x9b\u202e\u2028"
    keys: dict[str, Any] = {"a\nb": "é", "answer": answer}
    line = logged("x\n<0>forged", **keys)

    assert line.count("\n") == 1
    assert not any(bad in line for bad in "\x1b\r\x9b\u202e\u2028")
    assert parsed(line)["answer"] == "\\u001b[2Jgone\\u000d\\n<0>forged\\u009b\\u202e\\u2028"
    assert parsed(line)["a\\nb"] == "é"


def test_libraries_pass_the_same_door() -> None:
    """Their own warnings, and a broken format of theirs."""
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    logging.getLogger("urllib3").warning("retry %s", "https://u:CANARY@example.org")
    logging.getLogger("urllib3").info("not asked for")
    logging.getLogger("odd").error("%d", "no number")

    first, second = (parsed(line) for line in stream.getvalue().splitlines())
    assert (first["library"], first["words"]) == ("urllib3", "retry https://***@example.org")
    assert (second["level"], second["words"]) == ("error", "%d")


def test_less_important_events_are_left_out() -> None:
    """The level is a floor."""
    stream = io.StringIO()
    logs.configure("warning", stream=stream)
    logs.get_logger().info("no")
    logs.get_logger(tag="v1").error("yes")

    assert [parsed(line)["tag"] for line in stream.getvalue().splitlines()] == ["v1"]


def test_an_exception_has_its_trace_but_not_the_values_of_variables() -> None:
    """Variables hold secrets."""
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    try:
        _fail("CANARY")
    except OSError:
        logs.get_logger().exception("tick.failed")

    assert parsed(stream.getvalue())["level"] == "error"
    assert "OSError: no room" in parsed(stream.getvalue())["exception"]
    assert "CANARY" not in stream.getvalue().replace('_fail(\\"CANARY', "")


def _fail(hidden: str) -> None:
    raise OSError("no room" if hidden else "")


def test_a_full_disk_does_not_stop_the_work() -> None:
    """An update goes on where logging cannot."""
    with Path("/dev/full").open("w") as full:
        logs.configure("info", stream=full)
        logs.get_logger().info("step.done")
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_journald_gets_the_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when it is journald that reads this very stream."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as stream:
        status = os.fstat(writing)
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logs.configure("debug", stream=stream)
        log = logs.get_logger()
        for write in (log.debug, log.info, log.warning, log.error, log.critical):
            write("x")
        assert [reader.readline()[:4] for _ in range(5)] == ["<7>{", "<6>{", "<4>{", "<3>{", "<2>{"]

        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
        logs.configure("debug", stream=stream)
        log.info("x")
        assert reader.readline()[0] == "{"


def test_a_terminal_gets_words() -> None:
    """And no raw control characters of others."""
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        logs.configure("info", stream=stream)
        logs.get_logger().info("step.done", tag="v1\x1b[2J", password="CANARY")
        words = os.read(controller, 4096).decode()
    os.close(controller)

    assert "step.done" in words
    assert "\x1b[2J" not in words
    assert "CANARY" not in words
    assert not words.startswith("{")
