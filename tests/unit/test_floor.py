"""The floor: the lowest release that may ever be installed, and how it rises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.deployment import Floor
from koprogo_agent.domain.versions import parse_version

FLOOR = Floor("1.2.0", 7, "old keys")


@pytest.mark.parametrize("version", ["1.1.9", "1.2.0-rc.1", "1.2.0"])
@pytest.mark.parametrize("era", ["old keys", "new keys"])
def test_what_is_not_newer_leaves_it_as_it_is(version: str, era: str) -> None:
    """Going back to an older release, and repairing what runs; whatever its counter is."""
    assert FLOOR.raised(parse_version(version), 99, era) is FLOOR


@pytest.mark.parametrize(("counter", "reached"), [(8, 8), (7, 7), (6, 7), (0, 7)])
def test_it_rises_with_a_newer_release(counter: int, reached: int) -> None:
    """Its counter never falls within an era: not even by a release without one."""
    assert FLOOR.raised(parse_version("1.2.1"), counter, "old keys") == Floor(
        "1.2.1", reached, "old keys"
    )


@pytest.mark.parametrize("counter", [0, 1, 6, 7, 8])
def test_other_release_keys_count_anew(counter: int) -> None:
    """Whoever stole the old keys and raised the counter beyond reach has no hold any more."""
    assert FLOOR.raised(parse_version("1.3.0"), counter, "new keys") == Floor(
        "1.3.0", counter, "new keys"
    )


def test_its_counter_holds_in_its_own_era_only() -> None:
    """Before the first release with new keys any counter will do."""
    assert FLOOR.counter_in("old keys") == 7
    assert FLOOR.counter_in("new keys") == 0
    assert Floor("1.2.0", 7).counter_in("new keys") == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(("old", "new"))),
        max_size=10,
    )
)
def test_it_never_falls(releases: list[tuple[int, int, str]]) -> None:
    """Neither its version, nor within an era its counter, whatever is installed in which order."""
    floor = Floor("1.4.0", 4, "old")
    for patch, counter, era in releases:
        risen = floor.raised(parse_version(f"1.4.{patch}"), counter, era)
        assert parse_version(risen.version) >= parse_version(floor.version)
        assert risen.era != floor.era or risen.counter >= floor.counter
        floor = risen
