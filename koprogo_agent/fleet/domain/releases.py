"""Releases as the association names them, and what is above or below one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from koprogo_agent.domain.versions import parse_tag


@dataclass(frozen=True, slots=True)
class Release:
    """A release.

    Attributes:
        tag: its name.
        published: when its tag could first be fetched.
        security: whether it mends a weakness, so that what is below it is not safe.
    """

    tag: str
    published: int
    security: bool = False


def floor(releases: Iterable[Release], at: int) -> str | None:
    """The highest release that mended a weakness by then: what is below it is not safe."""
    tags = [one.tag for one in releases if one.security and one.published <= at]
    return max(tags, key=parse_tag) if tags else None


def is_below(installed: str, lowest: str | None) -> bool:
    """Whether a version is known to be below the floor."""
    if lowest is None or not installed:
        return False
    return parse_tag(installed) < parse_tag(lowest)


def is_above(installed: str, before: str | None) -> bool:
    """Whether a version is newer than another one, if there was any."""
    return before is None or parse_tag(installed) > parse_tag(before)
