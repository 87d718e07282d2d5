"""The release manifest: the machine-readable part of a signed tag (DESIGN, section 6).

The manifest is one line of canonical JSON between two marker lines in the tag's message, so that
one signature covers the tag's name, the commit and the manifest. Canonical means: UTF-8, keys
sorted, no white space, no escapes that UTF-8 does not need. A manifest whose bytes are not exactly
what encoding its own content gives is refused: two readings of one signed text cannot exist.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from koprogo_agent.domain.versions import Version, parse_comparator, parse_version
from koprogo_agent.errors import Refused

BEGIN = "-----BEGIN KOPROGO RELEASE-----"
END = "-----END KOPROGO RELEASE-----"
FORMAT = 1
MAX_BYTES = 256 * 1024
_MAX_FILES = 500
_MAX_IMAGES = 50

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_REPOSITORY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_PATH_CHARACTERS = re.compile(r"[A-Za-z0-9._@+/-]{1,255}")


@dataclass(frozen=True)
class Image:
    """One image of a release: where it lives and the digest of its index."""

    repository: str
    digest: str

    @property
    def reference(self) -> str:
        """The reference by which it is pulled and run: `repository@sha256:…`."""
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Migrations:
    """Where a release keeps its migrations, and which older versions still work on its schema."""

    path: str
    works_with: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """The manifest of one release.

    Attributes:
        counter: rises by at least one with every release of the product.
        commit: object id of the commit that the tag points at.
        images: image name -> image.
        files: path in the repository -> SHA-256 (hex) of every file that is deployed.
        upgrade_from: comparators; the installed version must satisfy all of them.
        agent_min: lowest version of this agent that understands the release.
        severity: `routine` or `security`.
        sha256: hash of the canonical bytes; names the release in the quarantine.
    """

    product: str
    channel: str
    version: Version
    counter: int
    commit: str
    images: dict[str, Image]
    files: dict[str, str]
    migrations: Migrations
    upgrade_from: tuple[str, ...]
    agent_min: Version
    severity: str
    issued: datetime
    expires: datetime
    sha256: str


def find_block(message: str) -> str | None:
    """The manifest's line in a tag message, or None when the message holds no manifest.

    Raises:
        Refused: markers are doubled, out of order or do not enclose exactly one line.
    """
    lines = message.split("\n")
    begins, ends = lines.count(BEGIN), lines.count(END)
    if begins == ends == 0:
        return None
    if begins != 1 or ends != 1:
        raise _bad("the message must hold exactly one manifest block")
    first, last = lines.index(BEGIN), lines.index(END)
    if last - first != 2:  # noqa: PLR2004 - begin, the one line, end
        raise _bad("a manifest block must enclose exactly one line")
    return lines[first + 1]


def parse(line: str) -> Manifest:
    """Reads and validates the canonical JSON of a manifest.

    Raises:
        Refused: anything at all is not as the format says.
    """
    raw = line.encode(errors="surrogatepass")  # a lone surrogate fails below, in `encode`
    if len(raw) > MAX_BYTES:
        raise _bad(f"it has {len(raw)} bytes; at most {MAX_BYTES} are allowed")
    try:
        document = json.loads(line)
        canonical = encode(document)
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is not JSON ({error})"[:200]) from error
    if not isinstance(document, dict):
        raise _bad("it is not a JSON object")
    if canonical != raw:
        raise _bad("it is not in canonical form")
    return _read(document, hashlib.sha256(raw).hexdigest())


def encode(document: object) -> bytes:
    """The canonical bytes of a JSON document."""
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def is_safe_path(path: str) -> bool:
    """Whether a path from outside stays below the folder that it is joined to."""
    pure = PurePosixPath(path)
    return (
        _PATH_CHARACTERS.fullmatch(path) is not None
        and bool(pure.parts)
        and not pure.is_absolute()
        and str(pure) == path
        and ".." not in pure.parts
        and ".git" not in pure.parts
        and not path.startswith("-")
    )


_KEYS = frozenset(
    {
        *("format", "product", "channel", "version", "counter", "commit", "images", "files"),
        *("migrations", "upgrade_from", "agent_min", "severity", "issued", "expires"),
    }
)


def _read(document: dict[str, Any], sha256: str) -> Manifest:
    # by type too: true and 1.0 equal 1, and would be other spellings of it
    if type(document.get("format")) is not int or document["format"] != FORMAT:
        raise Refused(
            f"the manifest has format {str(document.get('format'))[:20]!r}; this agent reads"
            f" {FORMAT}",
            code="manifest.format",
            advice="update koprogo-agent",
        )
    _exact_keys("the manifest", document, _KEYS)
    issued, expires = _instant(document, "issued"), _instant(document, "expires")
    if expires <= issued:
        raise _bad("it expires before it was issued")
    return Manifest(
        product=_matching(document, "product", _NAME),
        channel=_matching(document, "channel", _NAME),
        version=parse_version(_text(document, "version")),
        counter=_counter(document),
        commit=_matching(document, "commit", _OID),
        images=_images(document),
        files=_files(document),
        migrations=_migrations(document),
        upgrade_from=tuple(parse_comparator(text) for text in _texts(document, "upgrade_from")),
        agent_min=parse_version(_text(document, "agent_min")),
        severity=_matching(document, "severity", re.compile("routine|security")),
        issued=issued,
        expires=expires,
        sha256=sha256,
    )


def _images(document: dict[str, Any]) -> dict[str, Image]:
    entries = _mapping(document, "images")
    if not 1 <= len(entries) <= _MAX_IMAGES:
        raise _bad(f"it must name 1 to {_MAX_IMAGES} images")
    images = {}
    for name, entry in entries.items():
        if not _NAME.fullmatch(name) or not isinstance(entry, dict):
            raise _bad(f"image {name[:80]!r} is not as the format says")
        _exact_keys(f"image {name}", entry, frozenset({"repository", "digest"}))
        repository = _matching(entry, "repository", _REPOSITORY)
        images[name] = Image(repository, _matching(entry, "digest", _DIGEST))
    if len({image.repository for image in images.values()}) != len(images):
        raise _bad("two images share one repository")
    return images


def _files(document: dict[str, Any]) -> dict[str, str]:
    entries = _mapping(document, "files")
    if not 1 <= len(entries) <= _MAX_FILES:
        raise _bad(f"it must name 1 to {_MAX_FILES} files")
    for path in entries:
        if not is_safe_path(path):
            raise Refused(f"the manifest names an unsafe path {path[:80]!r}", code="manifest.path")
    return {path: _matching(entries, path, _SHA256) for path in entries}


def _migrations(document: dict[str, Any]) -> Migrations:
    entry = _mapping(document, "migrations")
    _exact_keys("migrations", entry, frozenset({"path", "works_with"}))
    path = _text(entry, "path")
    if not is_safe_path(path):
        raise Refused(f"the manifest names an unsafe path {path[:80]!r}", code="manifest.path")
    works_with = tuple(str(parse_version(text)) for text in _texts(entry, "works_with"))
    return Migrations(path, works_with)


def _exact_keys(what: str, entry: dict[str, Any], keys: frozenset[str]) -> None:
    if entry.keys() != keys:
        odd = sorted(entry.keys() ^ keys)
        raise _bad(f"{what} must have exactly the keys of the format; odd: {', '.join(odd)[:120]}")


def _mapping(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document[key]
    if not isinstance(value, dict):
        raise _bad(f"{key} is not an object")
    return value


def _text(document: dict[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str):
        raise _bad(f"{key} is not a text")
    return value


def _texts(document: dict[str, Any], key: str) -> list[str]:
    value = document[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _bad(f"{key} is not a list of texts")
    return value


def _matching(document: dict[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = _text(document, key)
    if not pattern.fullmatch(value):
        raise _bad(f"{key} has the value {value[:80]!r}")
    return value


def _counter(document: dict[str, Any]) -> int:
    value = document["counter"]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise _bad("counter is not a positive whole number")
    return value


def _instant(document: dict[str, Any], key: str) -> datetime:
    text = _text(document, key)
    try:
        instant = datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
    except ValueError as error:
        raise _bad(f"{key} is not an instant such as 2026-11-23T00:00:00Z") from error
    if instant.strftime(_INSTANT) != text:
        raise _bad(f"{key} is not an instant such as 2026-11-23T00:00:00Z")
    return instant


def _bad(reason: str) -> Refused:
    return Refused(f"the release manifest is refused: {reason}", code="manifest.invalid")
