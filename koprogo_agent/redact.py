"""Makes text fit to be seen: without secrets, without effects on a terminal (DESIGN, section 7).

The last line of defence for everything that leaves the process as words: logs, messages, reports.
Whoever handles a secret must not write it down in the first place; this catches what another
program prints, such as git repeating a URL or PostgreSQL its connection string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"
# A shorter value would blank out harmless words, and protects nothing.
_SHORTEST_SECRET = 4

_NAMES = "pass(?:word|wd|phrase)|secret|token|authorization|credential|api[_-]?key|private[_-]?key"
_SECRET_NAME = re.compile(f"(?i){_NAMES}")
_PATTERNS = (
    # user:password@ in a URL; the second form allows a slash in the password, and spares a port.
    # Lengths are bounded, so that no text from outside can make this slow.
    (re.compile(r"(://)[^\s/@'\"]{0,4000}(?:@[^\s/@'\"]{0,4000}){0,9}@"), rf"\1{MASK}@"),
    (
        re.compile(r"(://)[^\s/@:'\"]{0,500}:(?!\d{1,5}(?:[/?#\s]|$))[^\s'\"]{0,2000}@"),
        rf"\1{MASK}@",
    ),
    (
        re.compile(
            rf"(?i)((?:{_NAMES})s?(?:_[a-z0-9]{{1,20}}){{0,4}}['\"]?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+)"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9+/_.~-]{8,}=*"), rf"\1 {MASK}"),
    (
        re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END|\Z)", re.DOTALL),
        rf"\1{MASK}",
    ),
)

# Control characters, and those that nobody sees or that turn the order of a text round.
_RANGES = ((0, 0x20), (0x7F, 0xA0), (0x200B, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A))
_ESCAPES = {code: f"\\u{code:04x}" for first, end in _RANGES for code in range(first, end)}
_ESCAPES |= {ord("\n"): "\\n", ord("\t"): "\\t"}
_ESCAPES_BUT_LINES = {code: text for code, text in _ESCAPES.items() if code != ord("\n")}


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds something that nobody may read."""
    return _SECRET_NAME.search(name) is not None


def text(value: str, secrets: Iterable[str] = ()) -> str:
    """A text without the given secrets, and without what looks like one."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            value = value.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        value = pattern.sub(replacement, value)
    return value


def printable(value: str, *, keep_lines: bool = False) -> str:
    """A text in which control characters are seen and have no effect.

    Args:
        value: the text, possibly from outside.
        keep_lines: whether line ends stay line ends.
    """
    return value.translate(_ESCAPES_BUT_LINES if keep_lines else _ESCAPES)
