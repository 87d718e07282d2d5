"""The tag of a release's images, and the other way to write it."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.image_tags import ImageTag
from koprogo_agent.domain.versions import parse_version

VERSION = parse_version("1.2.3")


@pytest.mark.parametrize(
    ("pattern", "text", "other"),
    [
        ("{version}", "1.2.3", "v1.2.3"),
        ("{tag}", "v1.2.3", "1.2.3"),
        ("app-{version}-slim", "app-1.2.3-slim", "app-v1.2.3-slim"),
        ("production-latest", "production-latest", None),
    ],
)
def test_a_pattern_is_filled_in_and_has_a_counterpart(
    pattern: str, text: str, other: str | None
) -> None:
    """A pattern without the version has none."""
    tag = ImageTag(pattern, VERSION)
    assert (tag.text, tag.other and tag.other.text) == (text, other)
