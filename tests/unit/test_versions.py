"""The grammar of tags, and the order of versions."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.versions import (
    parse_comparator,
    parse_tag,
    parse_version,
    permits,
    tag_name,
)
from koprogo_agent.errors import Refused

NUMBERS = st.integers(0, 999_999_999)
PARTS = st.integers(0, 999_999_999).map(str) | st.from_regex(
    r"[0-9]{0,8}[A-Za-z-][0-9A-Za-z-]{0,15}", fullmatch=True
)


@st.composite
def versions(draw: st.DrawFn) -> str:
    """Texts that are versions."""
    core = ".".join(str(draw(NUMBERS)) for _ in range(3))
    parts = draw(st.lists(PARTS, max_size=4))
    return f"{core}-{'.'.join(parts)}" if parts else core


@given(versions())
def test_a_version_and_its_tag_are_written_as_they_are_read(text: str) -> None:
    """There is one spelling of every version, so two tags can never be the same release."""
    assert str(parse_version(text)) == text
    assert tag_name(parse_tag(f"v{text}")) == f"v{text}"


@given(versions(), versions())
def test_versions_that_are_spelt_differently_are_never_equal(first: str, second: str) -> None:
    """Else which of two releases is newer would be a matter of chance."""
    one, other = parse_version(first), parse_version(second)
    assert (one == other) == (first == second)
    assert (one < other) + (one > other) + (one == other) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+build"),
        *("1.2.3\n", " 1.2.3", "1.2.3-rc_1", "-1.2.3", "1.2.1000000000", "1.2.3-a.b.c.d.e"),
        *("١.٢.٣", "1.2.3-é", f"1.2.3-{'a' * 18}"),  # noqa: RUF001 - digits that look like ours
    ],
)
def test_what_is_not_in_the_grammar_is_refused(text: str) -> None:
    """No build metadata, no leading zeros, no foreign digits, no endless parts."""
    for read, value in ((parse_version, text), (parse_tag, f"v{text}")):
        with pytest.raises(Refused) as caught:
            read(value)
        assert caught.value.code == "version.grammar"


@given(st.text(max_size=60))
def test_arbitrary_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    """Tag names come from outside."""
    for read in (parse_version, parse_tag, parse_comparator):
        with contextlib.suppress(Refused):
            assert str(read(text)) in text


def test_a_tag_must_begin_with_v() -> None:
    """`1.2.0` and `v1.2.0` would be two refs of one release."""
    with pytest.raises(Refused, match="begin with v"):
        parse_tag("1.2.0")


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.2.3", "1.2.10"),
        ("1.9.9", "1.10.0"),
        ("1.2.3-rc.1", "1.2.3"),
        ("1.2.3-rc.2", "1.2.3-rc.10"),
        ("1.2.3-1", "1.2.3-alpha"),
        ("1.2.3-alpha", "1.2.3-alpha.1"),
    ],
)
def test_versions_are_ordered_as_people_expect(lower: str, higher: str) -> None:
    """By number, and a pre-release before its release."""
    assert parse_version(lower) < parse_version(higher)


@pytest.mark.parametrize(
    ("comparators", "version", "answer"),
    [
        ((), "0.0.1", True),
        ((">=1.2.0",), "1.2.0", True),
        ((">=1.2.0",), "1.1.9", False),
        ((">=1.0.0", "!=1.1.0", "<2.0.0"), "1.1.0", False),
        ((">=1.0.0", "!=1.1.0", "<2.0.0"), "1.1.1", True),
        (("==1.0.0-rc.1",), "1.0.0-rc.1", True),
    ],
)
def test_every_comparator_must_hold(
    comparators: tuple[str, ...], version: str, *, answer: bool
) -> None:
    """They are conditions, not alternatives."""
    assert permits(comparators, parse_version(version)) is answer


@pytest.mark.parametrize("text", ["1.2.0", "=1.2.0", ">=", ">= 1.2.0", "~1.2.0", ">=1.2.0,<2.0.0"])
def test_a_comparator_is_an_operator_and_a_version(text: str) -> None:
    """Nothing that semver would read in a way of its own."""
    with pytest.raises(Refused):
        parse_comparator(text)
