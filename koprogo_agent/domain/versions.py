"""Tag grammar and ordering of versions (DESIGN, section 2 and 7)."""

from __future__ import annotations

import re

from semver import Version

from koprogo_agent.errors import Refused

__all__ = ["Version", "parse_comparator", "parse_tag", "parse_version", "permits", "tag_name"]

# Stricter than SemVer: no build metadata, because two tags that differ only there would order as
# equal, and a length limit, because the name comes from outside.
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_PRE_PART = r"(?:0|[1-9][0-9]{0,8}|[0-9]{0,8}[A-Za-z-][0-9A-Za-z-]{0,15})"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE_PART}(?:\.{_PRE_PART}){{0,3}})?")
_COMPARATOR = re.compile(rf"(?:>=|<=|>|<|==|!=){_VERSION.pattern}")


def parse_version(text: str) -> Version:
    """Reads `MAJOR.MINOR.PATCH[-pre]`.

    Raises:
        Refused: the text is not in the grammar.
    """
    if not _VERSION.fullmatch(text):
        raise Refused(f"{text[:80]!r} is not a version of the form 1.2.3", code="version.grammar")
    return Version.parse(text)


def parse_tag(name: str) -> Version:
    """Reads a release tag's name, `vMAJOR.MINOR.PATCH[-pre]`.

    Raises:
        Refused: the name is not in the grammar.
    """
    if not name.startswith("v"):
        raise Refused(f"tag {name[:80]!r} does not begin with v", code="version.grammar")
    return parse_version(name[1:])


def tag_name(version: Version) -> str:
    """The one name that a release of this version may have."""
    return f"v{version}"


def parse_comparator(text: str) -> str:
    """Checks a comparator such as `>=1.2.0`.

    Raises:
        Refused: the text is not an operator followed by a version.
    """
    if not _COMPARATOR.fullmatch(text):
        raise Refused(f"{text[:80]!r} is not a comparator such as >=1.2.0", code="version.grammar")
    return text


def permits(comparators: tuple[str, ...], version: Version) -> bool:
    """Whether the version satisfies every comparator; an empty list permits all."""
    return all(version.match(comparator) for comparator in comparators)
