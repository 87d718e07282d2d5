"""The release manifest: the machine-readable part of a signed tag (DESIGN, section 6).

The manifest is one line of canonical JSON between two marker lines in the tag's message, so that
one signature covers the tag's name, the commit and the manifest.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from koprogo_agent.domain.canonical import Fields, Format, decode, enclosed
from koprogo_agent.domain.versions import Version, parse_comparator, parse_version
from koprogo_agent.errors import Refused

BEGIN = "-----BEGIN KOPROGO RELEASE-----"
END = "-----END KOPROGO RELEASE-----"
FORMAT = 1
MAX_BYTES = 256 * 1024
_MAX_FILES = 500
_MAX_IMAGES = 50
_MAX_VERSIONS = 100
_FORM = Format("the release manifest", "manifest.invalid")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SEVERITY = re.compile("routine|security")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_REPOSITORY = re.compile(
    r"(?!.{256})(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
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
        never_ran: yanked version -> why no instance can have run it; this release lacks its
            migrations.
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
    never_ran: dict[Version, str] = field(default_factory=dict)


def find_block(message: str) -> str | None:
    """The manifest's line in a tag message, or None when the message holds no manifest.

    Raises:
        Refused: markers are doubled, out of order or do not enclose exactly one line.
    """
    return enclosed(message, BEGIN, END, _FORM)


def parse(line: str) -> Manifest:
    """Reads and validates the canonical JSON of a manifest.

    Raises:
        Refused: anything at all is not as the format says.
    """
    raw = line.encode(errors="surrogatepass")  # a lone surrogate is refused as no UTF-8
    fields = Fields.of(_FORM, decode(raw, _FORM, MAX_BYTES))
    return _read(fields, hashlib.sha256(raw).hexdigest())


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


_KEYS = (
    *("format", "product", "channel", "version", "counter", "commit", "images", "files"),
    *("migrations", "upgrade_from", "agent_min", "severity", "issued", "expires"),
)
_OPTIONAL = "never_ran"
"""Is there only where it says something: the content has one spelling, with or without it."""


def _read(fields: Fields, sha256: str) -> Manifest:
    form = fields.values.get("format")
    # by type too: true and 1.0 equal 1, and would be other spellings of it
    if type(form) is not int or form != FORMAT:
        raise Refused(
            f"the manifest has format {str(form)[:20]!r}; this agent reads {FORMAT}",
            code="manifest.format",
            advice="update koprogo-agent",
        )
    optional = (_OPTIONAL,) if _OPTIONAL in fields.values else ()
    fields.exactly(*_KEYS, *optional)
    issued, expires = fields.period()
    comes_from = fields.texts("upgrade_from", _MAX_VERSIONS)
    return Manifest(
        product=fields.text("product", _NAME),
        channel=fields.text("channel", _NAME),
        version=_FORM.read(parse_version, fields.text("version")),
        counter=fields.number("counter", 1),
        commit=fields.text("commit", _OID),
        images=_images(fields.inner("images")),
        files=_files(fields.inner("files")),
        migrations=_migrations(fields.inner("migrations")),
        upgrade_from=tuple(_FORM.read(parse_comparator, text) for text in comes_from),
        agent_min=_FORM.read(parse_version, fields.text("agent_min")),
        severity=fields.text("severity", _SEVERITY),
        issued=issued,
        expires=expires,
        sha256=sha256,
        never_ran=_never_ran(fields.inner(_OPTIONAL)) if optional else {},
    )


def _images(entries: Fields) -> dict[str, Image]:
    if not 1 <= len(entries.values) <= _MAX_IMAGES:
        raise _FORM.bad(f"it must name 1 to {_MAX_IMAGES} images")
    images = {}
    for name in entries.values:
        if not _NAME.fullmatch(name):
            raise _FORM.bad(f"an image has the name {name[:80]!r}")
        entry = entries.inner(name)
        entry.exactly("repository", "digest")
        images[name] = Image(entry.text("repository", _REPOSITORY), entry.text("digest", _DIGEST))
    if len({image.repository for image in images.values()}) != len(images):
        raise _FORM.bad("two images share one repository")
    return images


def _files(entries: Fields) -> dict[str, str]:
    if not 1 <= len(entries.values) <= _MAX_FILES:
        raise _FORM.bad(f"it must name 1 to {_MAX_FILES} files")
    return {_safe(path): entries.text(path, _SHA256) for path in entries.values}


def _migrations(entry: Fields) -> Migrations:
    entry.exactly("path", "works_with")
    texts = entry.texts("works_with", _MAX_VERSIONS)
    works_with = tuple(str(_FORM.read(parse_version, text)) for text in texts)
    return Migrations(_safe(entry.text("path")), works_with)


def _never_ran(entries: Fields) -> dict[Version, str]:
    if not 1 <= len(entries.values) <= _MAX_VERSIONS:
        raise _FORM.bad(f"{_OPTIONAL} must name 1 to {_MAX_VERSIONS} versions")
    return {_FORM.read(parse_version, one): entries.reason(one) for one in entries.values}


def _safe(path: str) -> str:
    if not is_safe_path(path):
        raise Refused(f"the manifest names an unsafe path {path[:80]!r}", code="manifest.path")
    return path
