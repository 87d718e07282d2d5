"""Takes secrets out of text before anyone sees it (DESIGN, section 7).

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
