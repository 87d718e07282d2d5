"""Canonical JSON: one text for each content, read strictly and field by field."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from koprogo_agent.domain.canonical import (
    MOST,
    Fields,
    Format,
    decode,
    enclosed,
    encode,
    instant,
)
from koprogo_agent.errors import Refused

FORM = Format("the paper", "paper.invalid")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def refusal(ask: Callable[..., object], *arguments: object) -> str:
    """Why something is refused: by the format's own code, and in its name."""
    with pytest.raises(Refused) as caught:
        ask(*arguments)
    assert caught.value.code == "paper.invalid"
    assert caught.value.message.startswith("the paper is refused: ")
    assert not caught.value.message.endswith(".")
    return caught.value.message.removeprefix("the paper is refused: ")


def fields(**values: object) -> Fields:
    """A document with these fields."""
    return Fields.of(FORM, values)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"b": 1, "a": [True, None, "é\n"]}, '{"a":[true,null,"é\\n"],"b":1}'),
        ({}, "{}"),
        ([1.5, -1], "[1.5,-1]"),
        ("/", '"/"'),
    ],
)
def test_a_content_has_one_text_and_is_read_back(content: object, text: str) -> None:
    """Sorted keys, no white space, UTF-8 as it is: nothing is left to whoever writes."""
    assert encode(content) == text.encode()
    assert decode(text.encode(), FORM, 100) == content


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '{"a": 1}',
        '{"a":1}\n',
        '{"a":1.50}',
        '{"a":-0}',
        '{"a":1e2}',
        '"\\u00e9"',
        '"\\/"',
        "\ufeff{}",
    ],
)
def test_any_other_text_of_the_same_content_is_refused(text: str) -> None:
    """Whoever compares hashes and whoever reads the content must mean the same."""
    assert refusal(decode, text.encode(), FORM, 100) in {
        "it is not in canonical form",
        "it is not JSON (Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0))",
    }


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"NaN", b"Infinity", b"1e999", b"\xff", b'"\\ud800"', b"9" * 5000, b"[" * 5000],
)
def test_what_is_no_json_that_can_be_written_again_is_refused(raw: bytes) -> None:
    """Numbers, text and depth that other readers could take for something else, too."""
    assert refusal(decode, raw, FORM, 10_000).startswith("it is not JSON (")


def test_the_refusal_of_what_is_no_json_is_short() -> None:
    """It is shown on one line of a terminal, whatever the document holds."""
    assert len(refusal(decode, b'"\\ud800"', FORM, 10_000)) <= 200


def test_a_document_of_the_largest_size_is_read_and_one_byte_more_is_refused() -> None:
    """The limit counts bytes, and counts before anything is parsed."""
    assert decode(b'"xyz"', FORM, 5) == "xyz"
    assert decode('"é"'.encode(), FORM, 4) == "é"
    assert refusal(decode, b'"xyz"', FORM, 4) == "it has 5 bytes; at most 4 are allowed"
    assert refusal(decode, b"{" * 5, FORM, 4) == "it has 5 bytes; at most 4 are allowed"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("", None),
        ("Hello\n", None),
        ("a [ in a sentence ]\n", None),
        ("[\nthe line\n]", "the line"),
        ("Hello\n\n[\n\n]\nBye\n", ""),
    ],
)
def test_the_line_between_two_markers(message: str, line: str | None) -> None:
    """Markers are whole lines; where there are none, there is nothing."""
    assert enclosed(message, "[", "]", FORM) == line


@pytest.mark.parametrize("message", ["[", "]", "[\nx", "x\n]", "[\n[\nx\n]", "[\nx\n]\n]"])
def test_each_marker_stands_exactly_once(message: str) -> None:
    """One alone may be the rest of something that was cut out."""
    assert refusal(enclosed, message, "[", "]", FORM) == (
        "the message must hold exactly one such block"
    )


@pytest.mark.parametrize("message", ["[\n]", "]\nx\n[", "[\nx\ny\n]", "]\n[", "]\nx\ny\n["])
def test_markers_enclose_exactly_one_line(message: str) -> None:
    """None, two, or the wrong way round is no block."""
    assert refusal(enclosed, message, "[", "]", FORM) == "its block must enclose exactly one line"


def test_an_instant_is_written_in_utc_to_the_second() -> None:
    """As it is read back."""
    assert instant(NOON) == instant(NOON.replace(microsecond=999_999)) == "2026-11-23T12:00:00Z"
    assert fields(a=instant(NOON)).moment("a") == NOON


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_no_object_has_no_fields(value: object) -> None:
    """The refusal names the place, or the document itself."""
    assert refusal(Fields.of, FORM, value) == "it is not an object"
    assert refusal(Fields.of, FORM, value, "keys") == "keys is not an object"
    assert refusal(fields(keys=value).inner, "keys") == "keys is not an object"
    assert refusal(fields(a={"b": value}).inner("a").inner, "b") == "a b is not an object"


def test_keys_are_exactly_those_of_the_format() -> None:
    """One too few, one too many; the refusal names those that are odd, not all of them."""
    fields(a=1, b=2).exactly("b", "a")
    message = "it must have exactly the keys of the format; odd: "
    assert refusal(fields(a=1).exactly, "a", "b") == f"{message}b"
    assert refusal(fields(a=1, c=2).exactly, "a", "b") == f"{message}b, c"
    assert refusal(fields(a={}).inner("a").exactly, "x").startswith("a must have exactly")
    assert len(refusal(fields(**{"x" * 500: 1}).exactly, "a")) <= 200


def test_a_refusal_is_safe_to_print() -> None:
    """A document that nobody has signed yet must not move the cursor of whoever reads of it."""
    odd = fields(**{"\x1b[2J\n": {"\x07": 1}})
    for message in (
        refusal(odd.exactly, "a"),
        refusal(odd.text, "\x1b[2J\n"),
        refusal(odd.inner("\x1b[2J\n").text, "\x07"),
        refusal(odd.inner("\x1b[2J\n").inner, "\x07"),
    ):
        assert message.isprintable()
        assert len(message) < 200


def test_the_refusal_of_a_parser_is_one_of_the_document() -> None:
    """In the parser's words, under the document's code."""

    def parse(text: str) -> int:
        if not text.isdecimal():
            raise Refused(f"{text!r} is no number", code="number.grammar")
        return int(text)

    assert FORM.read(parse, "7") == 7
    assert refusal(FORM.read, parse, "x") == "'x' is no number"


def test_a_text_is_a_text_and_matches_whole() -> None:
    """A pattern that only its beginning fits is not fitted."""
    short = re.compile("[a-z]{1,3}")
    assert fields(a="anything\n").text("a") == "anything\n"
    assert fields(a="abc").text("a", short) == "abc"
    assert refusal(fields(a=1).text, "a") == "a is not a text"
    for value in ("abcd", "abc\n", ""):
        assert refusal(fields(a=value).text, "a", short) == f"a has the value {value!r}"
    assert len(refusal(fields(a="\x1b" * 5000).text, "a", short)) < 400


def test_texts_are_a_list_of_texts_and_not_too_many() -> None:
    """A text is not a list of letters."""
    assert fields(a=["x", "y"]).texts("a", 2) == ("x", "y")
    assert fields(a=[]).texts("a", 0) == ()
    for value in ("xy", {"x": "y"}, ["x", 1], [None], None):
        assert refusal(fields(a=value).texts, "a", 9) == "a is not a list of texts"
    assert refusal(fields(a=["x", "y"]).texts, "a", 1) == "a has more than 1 entries"


def test_a_number_is_whole_and_between_its_ends() -> None:
    """Both ends belong to it; true and 1.0 are no whole numbers."""
    assert [fields(a=value).number("a", 1, 3) for value in (1, 2, 3)] == [1, 2, 3]
    for value in (0, 4, True, 2.0, "2", None):
        assert refusal(fields(a=value).number, "a", 1, 3) == "a is not a whole number from 1 to 3"


def test_no_number_is_larger_than_every_reader_can_tell_apart() -> None:
    """Beyond 2^53 - 1 some readers of JSON round."""
    assert MOST == 2**53 - 1
    assert fields(a=MOST).number("a", 0) == MOST
    assert "from 0 to 9007199254740991" in refusal(fields(a=MOST + 1).number, "a", 0)


def test_a_moment_is_written_in_one_way_only() -> None:
    """UTC, to the second, every figure in its place."""
    assert fields(a="2026-11-23T12:00:00Z").moment("a") == NOON


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "2026-11-23T12:00:00+00:00",
        "2026-11-23T12:00:00",
        "2026-11-23T12:00:00.0Z",
        "2026-11-23t12:00:00z",
        "2026-1-23T12:00:00Z",
        "2026-11-23T12:0:00Z",
        "2026-02-30T12:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T12:00:60Z",
        "0000-11-23T12:00:00Z",
        "0999-11-23T12:00:00Z",
        "٢٠٢٦-11-23T12:00:00Z",
        " 2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00Z\n",
    ],
)
def test_any_other_way_to_write_a_moment_is_refused(text: str) -> None:
    """Also those that Python would read."""
    assert refusal(fields(a=text).moment, "a") == (
        "a is not an instant such as 2026-11-23T00:00:00Z"
    )


def test_a_moment_is_a_text() -> None:
    """A number of seconds says not since when."""
    assert refusal(fields(a=1_795_000_000).moment, "a") == "a is not a text"


def test_a_period_ends_after_it_begins() -> None:
    """One second is enough, none is not."""

    def period(issued: str, expires: str) -> tuple[datetime, datetime]:
        return fields(issued=issued, expires=expires).period()

    noon, next_second = "2026-11-23T12:00:00Z", "2026-11-23T12:00:01Z"
    assert period(noon, next_second) == (NOON, NOON + timedelta(seconds=1))
    for issued in (noon, next_second):
        assert refusal(period, issued, noon) == "it expires before it was issued"
