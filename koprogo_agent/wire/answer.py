"""The fleet's answer to a report that it has taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from koprogo_agent.errors import Refused
from koprogo_agent.wire import LIMIT, checks

NOTICE = 300
"""Most characters of a notice."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the fleet says.

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
        if len(self.notice) > NOTICE or not self.notice.isprintable():
            raise ValueError("notice is too long, or not one printable line")


def encode(answer: Answer) -> bytes:
    """The bytes of an answer."""
    return json.dumps(asdict(answer), separators=(",", ":")).encode()


def decode(raw: bytes) -> Answer:
    """Reads an answer. Members that are not known are of a later version, and ignored.

    Raises:
        Refused: it is not an answer (code `answer.malformed`).
    """
    try:
        return _built(json.loads(raw if len(raw) <= LIMIT else b""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refused(
            "what the fleet server says is not an answer to a report", code="answer.malformed"
        ) from error


def _built(told: Mapping[str, Any]) -> Answer:
    if not (isinstance(told["acknowledged"], list) and isinstance(told["verified"], bool)):
        raise TypeError("of another type")
    return Answer(
        acknowledged=tuple(told["acknowledged"]),
        interval=told["interval"],
        verified=told["verified"],
        highest=told.get("highest"),
        notice=told.get("notice", ""),
    )
