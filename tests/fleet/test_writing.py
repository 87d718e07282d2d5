"""Numbers, shares, moments and spans, as each language writes them."""

from __future__ import annotations

import pytest

from koprogo_agent.fleet.pages.languages import Language
from koprogo_agent.fleet.pages.writing import Writing

BRUSSELS = "Europe/Brussels"
ENGLISH = Writing(Language.EN, BRUSSELS)
NOON = 1_795_000_000


def plain(text: str) -> str:
    """With spaces that may break."""
    return text.replace("\u202f", " ").replace("\xa0", " ")


def test_a_percentage_is_honest_at_its_ends() -> None:
    """One of ten thousand is not nothing, and all but one are not all."""
    shares = (0.0, 0.00001, 0.5, 0.99999, 1.0)
    assert [ENGLISH.percent(one) for one in shares] == ["0 %", "0.1 %", "50.0 %", "99.9 %", "100 %"]


@pytest.mark.parametrize(
    ("language", "number", "share", "moment"),
    [
        (Language.FR, "12 000", "12,3 %", "18 nov. 2026 12:06"),
        (Language.NL, "12.000", "12,3 %", "18 nov 2026 12:06"),
        (Language.DE, "12.000", "12,3 %", "18 Nov. 2026 12:06"),
        (Language.EN, "12,000", "12.3 %", "18 Nov 2026 12:06"),
    ],
)
def test_each_language_writes_as_it_does(
    language: Language, number: str, share: str, moment: str
) -> None:
    """Decimal commas, thousands and months."""
    write = Writing(language, BRUSSELS)
    assert plain(write.number(12_000)) == number
    assert plain(write.percent(0.1234)) == share
    assert plain(write.moment(NOON)) == moment


def test_waits_have_tenths_while_they_matter() -> None:
    """As the language writes them."""
    french = Writing(Language.FR, BRUSSELS)
    assert [french.wait(of) for of in (40, 9_949, 9_950)] == ["0,0 s", "9,9 s", "10 s"]
    assert ENGLISH.wait(8_700) == "8.7 s"


def test_moments_are_where_the_reader_is() -> None:
    """And the machine's own beside them."""
    assert (ENGLISH.zone(NOON), ENGLISH.zone(NOON - 120 * 86_400)) == ("CET", "CEST")
    assert ENGLISH.iso(NOON) == "2026-11-18T11:06:40Z"


def test_spans_have_two_units() -> None:
    """The greatest ones."""
    spans = {59: "59 s", 110: "1 min 50 s", 7260: "2 h 1 min", 200_000: "2 d 7 h"}
    assert {seconds: ENGLISH.span(seconds) for seconds in spans} == spans
    assert Writing(Language.FR, BRUSSELS).span(90_000) == "1 j 1 h"
