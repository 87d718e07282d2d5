"""Signed documents as bytes: one canonical JSON text for each content, read strictly.

Canonical means: UTF-8, keys sorted, no white space, no escapes that UTF-8 does not need. A document
whose bytes are not exactly what encoding its own content gives is refused: two readings of one
signed text cannot exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from koprogo_agent.errors import Refused

T = TypeVar("T")

_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
MAX_REASON = 300
"""Characters of a reason that somebody gives."""
MOST = 2**53 - 1
"""The largest whole number that every reader of JSON reads as the same."""


@dataclass(frozen=True)
class Format:
    """What messages call a kind of document, and the code with which it is refused."""

    what: str
    code: str

    def bad(self, reason: str) -> Refused:
        """The refusal of a document that is not as its format says."""
        return Refused(f"{self.what} is refused: {reason}", code=self.code)

    def read(self, parse: Callable[[str], T], text: str) -> T:
        """What a parser makes of a text in the document; its refusal is one of the document.

        Raises:
            Refused: it makes nothing of it.
        """
        try:
            return parse(text)
        except Refused as error:
            raise self.bad(error.message) from error


def encode(document: object) -> bytes:
    """The canonical bytes of a JSON document."""
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def decode(raw: bytes, form: Format, limit: int) -> Any:  # noqa: ANN401 - any JSON
    """The content of canonical bytes.

    Args:
        raw: the bytes.
        form: the format that they should have.
        limit: most bytes that such a document may have.

    Raises:
        Refused: they are too many, are not JSON, or are not canonical.
    """
    if len(raw) > limit:
        raise form.bad(f"it has {len(raw)} bytes; at most {limit} are allowed")
    try:
        document = json.loads(raw.decode())
        canonical = encode(document)
    except (ValueError, RecursionError) as error:
        raise form.bad(f"it is not JSON ({error})"[:200]) from error
    if canonical != raw:
        raise form.bad("it is not in canonical form")
    return document


def enclosed(message: str, begin: str, end: str, form: Format) -> str | None:
    """The one line between two marker lines of a message, or None where there are none.

    Raises:
        Refused: markers are doubled, out of order or do not enclose exactly one line.
    """
    lines = message.split("\n")
    begins, ends = lines.count(begin), lines.count(end)
    if begins == ends == 0:
        return None
    if begins != 1 or ends != 1:
        raise form.bad("the message must hold exactly one such block")
    first, last = lines.index(begin), lines.index(end)
    if last - first != 2:  # noqa: PLR2004 - begin, the one line, end
        raise form.bad("its block must enclose exactly one line")
    return lines[first + 1]


def instant(moment: datetime) -> str:
    """An instant, given in UTC, as documents write it: `2026-11-23T00:00:00Z`."""
    return moment.strftime(_INSTANT)


@dataclass(frozen=True)
class Fields:
    """A JSON object of a document: each field has one type, and nothing else is accepted.

    Every method raises `Refused` where the field is not as it should be.

    Attributes:
        form: the document's format.
        values: the object.
        where: what messages call the object, where it is not the document itself.
    """

    form: Format
    values: dict[str, Any]
    where: str = ""

    @classmethod
    def of(cls, form: Format, value: object, where: str = "") -> Fields:
        """The fields of a value that must be an object."""
        if not isinstance(value, dict):
            raise form.bad(f"{where or 'it'} is not an object")
        return cls(form, value, where)

    def exactly(self, *keys: str) -> None:
        """No other keys, and all of them."""
        if self.values.keys() != set(keys):
            odd = ", ".join(map(_shown, sorted(self.values.keys() ^ set(keys))))[:120]
            named = self.where or "it"
            raise self.form.bad(f"{named} must have exactly the keys of the format; odd: {odd}")

    def inner(self, key: str) -> Fields:
        """An object in this one."""
        return Fields.of(self.form, self.values[key], f"{self.where} {_shown(key)}".strip())

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        """A text, which must match the whole of a pattern if one is given."""
        value = self.values[key]
        if not isinstance(value, str):
            raise self.form.bad(f"{self._named(key)} is not a text")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.form.bad(f"{self._named(key)} has the value {value[:80]!r}")
        return value

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """A list of texts, at most so many."""
        value = self.values[key]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.form.bad(f"{self._named(key)} is not a list of texts")
        if len(value) > most:
            raise self.form.bad(f"{self._named(key)} has more than {most} entries")
        return tuple(value)

    def reason(self, key: str) -> str:
        """A reason that somebody gives: one line of printable characters."""
        value = self.text(key)
        if not (0 < len(value) <= MAX_REASON and value.isprintable()):
            raise self.form.bad(f"a reason is no line of 1 to {MAX_REASON} printable characters")
        return value

    def number(self, key: str, least: int, most: int = MOST) -> int:
        """A whole number from `least` to `most`; true and 1.0 are none."""
        value = self.values[key]
        if type(value) is not int or not least <= value <= most:
            raise self.form.bad(f"{self._named(key)} is not a whole number from {least} to {most}")
        return value

    def moment(self, key: str) -> datetime:
        """An instant in UTC, to the second."""
        text = self.text(key)
        try:
            moment = datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
        except ValueError as error:
            raise self._no_instant(key) from error
        if moment.strftime(_INSTANT) != text:
            raise self._no_instant(key)
        return moment

    def period(self) -> tuple[datetime, datetime]:
        """The fields `issued` and `expires`, the first before the second."""
        issued, expires = self.moment("issued"), self.moment("expires")
        if expires <= issued:
            raise self.form.bad("it expires before it was issued")
        return issued, expires

    def _no_instant(self, key: str) -> Refused:
        return self.form.bad(f"{self._named(key)} is not an instant such as 2026-11-23T00:00:00Z")

    def _named(self, key: str) -> str:
        return f"{self.where} {_shown(key)}".strip()


def _shown(key: str) -> str:
    """A key from outside, short and safe to print."""
    return repr(key[:80])[1:-1]
