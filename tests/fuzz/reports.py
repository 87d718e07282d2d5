"""What instances and the fleet server read of each other, and what must be true of each reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from koprogo_agent.errors import Refused
from koprogo_agent.fleet.intake.decoding import decode
from koprogo_agent.wire import LIMIT, answer
from koprogo_agent.wire.answer import Answer, Rejection
from koprogo_agent.wire.report import (
    Operation,
    Pending,
    Report,
    StateName,
    Transition,
    encode,
    instance_of,
)
from koprogo_agent.wire.signing import Request, sign, verify
from tests.fuzz.readers import Reader

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
URL = "https://fleet.example.org/api/v1/reports"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = KEY.public_key().public_bytes_raw()
_HEADER = re.compile(r"^([a-z-]{1,40}): (.*)$", re.MULTILINE)

_OPERATION = Operation(
    kind="update", tag="v1.2.0", outcome="rolled_back", began=1, ended=2, seen=3, step="a", code="b"
)
_BARE = Report(
    instance=instance_of(_PUBLIC),
    sequence=1,
    run="0" * 16,
    agent="0.1.0",
    state=StateName.EMPTY,
    channel="stable",
)
_FULL = replace(
    _BARE,
    installed="v1.1.0-rc.1",
    digest="a" * 64,
    operation=_OPERATION,
    pending=Pending(tag="v1.2.0", gate="window", step="a", code="b", until=4),
    polled=5,
    transitions=(
        Transition(number=2, at=6, state=StateName.HELD, agent="0.1.0", operation=_OPERATION),
        Transition(number=1, at=5, state=StateName.CURRENT, agent="0.1.0", installed="v1.0.0"),
    ),
    token="t" * 20,
)
_ANSWER = Answer(acknowledged=(2, 1), interval=180, highest="v1.2.0", notice="thank you")
_REJECTION = Rejection(code="sequence.behind", message="it was taken already", sequence=7, after=1)


def capitals(request: Request) -> Request:
    """The same with headers as clients may write them, too, which only the library reads."""
    headers = {name.title(): value for name, value in request.headers.items()}
    return replace(request, headers=headers)


def small(request: Request) -> Request:
    """The same with headers as a server gets them."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return replace(request, headers=headers)


def verdict(request: Request) -> bytes | str:
    """The key that has signed, or the code of the rule that refuses it."""
    try:
        return verify(request, NOW)
    except Refused as error:
        return error.code


def request_of(raw: bytes) -> Request:
    """A report with these header fields, one a line, and after an empty line its content."""
    head, _, body = raw.partition(b"\n\n")
    return Request("POST", URL, body, dict(_HEADER.findall(head.decode("latin-1"))))


def _raw(body: bytes) -> bytes:
    request = Request("POST", URL, body)
    sign(request, KEY, NOW)
    lines = [f"{name}: {value}\n" for name, value in small(request).headers.items()]
    return "".join(lines).encode() + b"\n" + body


_BODIES = (encode(_FULL), encode(_BARE), b"")


def _signature(raw: bytes) -> object:
    request = request_of(raw[: 2 * LIMIT])
    assert verdict(request) == verdict(capitals(request))
    key = verify(request, NOW)
    assert key == _PUBLIC
    assert request.body in _BODIES
    return key, request.body


def _report(raw: bytes) -> object:
    found = decode(raw)
    assert decode(encode(found)) == found
    return found


def _answer(raw: bytes) -> object:
    found = answer.decode(raw)
    said = answer.encode(found)
    assert len(said) > LIMIT or answer.decode(said) == found
    return found


def _rejection(raw: bytes) -> object:
    found = answer.decode_rejection(raw)
    assert answer.decode_rejection(answer.encode(found)) == found
    return found


READERS: Mapping[str, Reader] = {
    "report": Reader(_report, _BODIES[:2]),
    "signature": Reader(_signature, tuple(map(_raw, _BODIES))),
    "answer": Reader(_answer, (answer.encode(_ANSWER),)),
    "rejection": Reader(_rejection, (answer.encode(_REJECTION),)),
}
