"""The fleet at a glance: honest denominators."""

from __future__ import annotations

from koprogo_agent.fleet.domain.census import Census
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.fleet.pages.languages import Language, preferred, words
from koprogo_agent.fleet.views.overview import overview
from koprogo_agent.fleet.views.share import Bar
from koprogo_agent.wire.report import StateName

NOW = 1_795_000_000


def kind(installed: str, state: str = "current", *, verified: bool = False) -> Census:
    """A kind of instance."""
    return Census(installed, state, verified)


def test_a_fleet_of_nobody_is_one() -> None:
    """Nothing is divided by it."""
    seen = overview({}, NOW, None)
    assert (seen.total, seen.reporting, seen.newest, seen.versions) == (0, 0, None, ())


def test_shares_are_of_those_that_report() -> None:
    """Whoever is silent may run anything by now; how many that are is said beside it."""
    counts = {
        kind("v1.10.0", verified=True): 1,
        kind("v1.9.0"): 1,
        kind("v1.9.0", "held"): 1,
        kind(""): 1,
        kind("v1.2.0", "late"): 1,
        kind("v1.2.0", "silent"): 1,
    }
    seen = overview(counts, NOW, None)
    assert [(bar.name, bar.count) for bar in seen.presence] == [
        ("reporting", 4),
        ("awaited", 0),
        ("late", 1),
        ("silent", 1),
        ("left", 0),
    ]
    assert [(bar.name, bar.count, bar.share) for bar in seen.versions] == [
        ("v1.10.0", 1, 0.25),
        ("v1.9.0", 2, 0.5),
        ("", 1, 0.25),
    ]
    assert [(bar.name, bar.count) for bar in seen.verified] == [("verified", 1), ("unverified", 5)]
    assert seen.on_newest == Bar("v1.10.0", 1, 0.25)


def test_what_few_say_does_not_push_out_what_many_do() -> None:
    """Twelve versions are told apart, the others counted together."""
    counts = {kind(f"v9.{n}.0"): 1 for n in range(50)} | {kind("v1.9.0"): 80, kind("v1.8.0"): 20}
    bars = overview(counts, NOW, None).versions
    assert [(bar.name, bar.count) for bar in bars[-3:]] == [
        ("v1.9.0", 80),
        ("v1.8.0", 20),
        ("others", 40),
    ]
    assert (len(bars), sum(bar.share for bar in bars)) == (13, 1.0)


def test_nobody_makes_a_version_the_newest_by_saying_so() -> None:
    """Anybody can enrol; what the association knows counts, or what it has named."""
    fleet = {kind("v99.0.0"): 1, kind("v1.10.0", verified=True): 1}
    assert overview(fleet, NOW, None).newest == "v1.10.0"
    assert overview(fleet, NOW, "v1.11.0").on_newest == Bar("v1.11.0", 0, 0.0)
    assert overview({kind("v99.0.0"): 1}, NOW, None).newest is None


def test_every_word_is_there_in_every_language() -> None:
    """None of them empty."""
    for language in Language:
        assert all(words(language).values())
        assert {*map(str, StateName), *map(str, Presence)} <= set(words(language))
        assert words(language).keys() == words(Language.EN).keys()


def test_a_browser_gets_what_it_prefers() -> None:
    """Of what there is; French where it asks for nothing of it."""
    assert preferred("nl-BE,nl;q=0.9,fr;q=0.5") is Language.NL
    assert preferred("es, de;q=0.3, en;q=0.7") is Language.EN
    assert preferred("nl;q=x, de;q=0.1") is Language.DE
    for header in ("", "es-ES,es;q=0.9", ";;;,,,", "\x00" * 100):
        assert preferred(header) is Language.FR
