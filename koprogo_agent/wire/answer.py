"""The fleet's answer to a report: taken, with what follows, or not taken, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from koprogo_agent.errors import Refused
from koprogo_agent.wire import LIMIT, checks

LINE = 300
"""Most characters of a line for a person."""
BEHIND = "sequence.behind"
"""Code of the rejection of a report that is not newer than the last one."""
UNKNOWN = "instance.unknown"
"""Code of the rejection where the server keeps nothing of an instance."""

_FAULTS = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading and building something else than a message may raise."""
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The report was taken.

    Attributes:
        acknowledged: numbers of the transitions that are kept for good.
        interval: seconds to the next report.
        verified: whether a token was taken, now or before.
        highest: tag of the newest release that the fleet knows of: a hint to poll, nothing else.
        notice: a line for whoever keeps the instance, or an empty string.
    """

    acknowledged: tuple[int, ...]
    interval: int
    verified: bool = False
    highest: str | None = None
    notice: str = ""

    def __post_init__(self) -> None:
        """Checks what the types do not say."""
        for number in (*self.acknowledged, self.interval):
            checks.numbers(number=number)
        checks.tags(highest=self.highest)
        checks.line(LINE, notice=self.notice)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """The report was not taken.

    Attributes:
        code: short, stable name of the reason.
        message: the reason, for a person.
        sequence: of the last report that was taken, where that is why (`BEHIND`).
        after: seconds after which another try is welcome, where the server says so.
    """

    code: str
    message: str
    sequence: int | None = None
    after: int | None = None

    def __post_init__(self) -> None:
        """Checks what the types do not say."""
        checks.words(code=self.code)
        checks.line(LINE, message=self.message)
        checks.moments(sequence=self.sequence, after=self.after)


def encode(message: Answer | Rejection) -> bytes:
    """The bytes of an answer or a rejection."""
    return _ENCODER.encode(vars(message)).encode()


def decode(raw: bytes) -> Answer:
    """Reads an answer. Members that are not known are of a later version, and ignored.

    Raises:
        Refused: it is not an answer (code `answer.malformed`).
    """
    try:
        told = _members(raw)
        return Answer(
            acknowledged=tuple(_of(list, told["acknowledged"])),
            interval=told["interval"],
            verified=_of(bool, told["verified"]),
            highest=told.get("highest"),
            notice=told.get("notice", ""),
        )
    except _FAULTS as error:
        raise _malformed() from error


def decode_rejection(raw: bytes) -> Rejection:
    """Reads a rejection, as `decode` does an answer."""
    try:
        told = _members(raw)
        return Rejection(
            code=told["code"],
            message=told["message"],
            sequence=told.get("sequence"),
            after=told.get("after"),
        )
    except _FAULTS as error:
        raise _malformed() from error


def _members(raw: bytes) -> dict[str, Any]:
    told: dict[str, Any] = _of(dict, json.loads(raw if len(raw) <= LIMIT else b""))
    return told


def _of(kind: type, value: object) -> Any:  # noqa: ANN401 - of that kind
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _malformed() -> Refused:
    return Refused("what the server says is no answer to a report", code="answer.malformed")
