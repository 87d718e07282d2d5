"""Lists of instances: which ones, in which order, and page by page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from msgspec.structs import replace

from koprogo_agent.errors import Refused
from koprogo_agent.fleet.domain.instances import Instance
from koprogo_agent.fleet.domain.known import Known
from koprogo_agent.fleet.views.listing import PAGE, Filter, listing
from koprogo_agent.wire.report import Operation, Pending, StateName
from tests.fleet.machines import heard

NOW = 1_795_000_000
FAILED = Operation(
    kind="update",
    tag="v1.1.0",
    outcome="rolled_back",
    began=NOW - 60,
    ended=NOW,
    step="gate",
    code="gate.unhealthy",
)


def one(number: int, **stand: Any) -> Instance:  # noqa: ANN401 - of a stand
    """An instance that has just been heard."""
    return replace(heard(number, NOW, **stand), since=NOW - number % 7)


def names(
    known: Known, wanted: Mapping[str, str] = MappingProxyType({}), sort: str = "name"
) -> list[int]:
    """The numbers of all that match, page by page."""
    found: list[int] = []
    after = ""
    while True:
        page = listing(known, Filter.of(wanted), sort, after)
        found += [int(row.instance.id, 16) for row in page.rows]
        if page.next is None:
            assert page.matching == len(found)
            return found
        assert len(page.rows) == PAGE
        after = page.next


def test_pages_hold_each_instance_once() -> None:
    """By name, and by since when they have their state; also where a page is just full."""
    for count in (0, 1, PAGE, PAGE + 1, 2 * PAGE, 333):
        known = Known([one(number) for number in range(count)], 180, NOW)
        assert names(known) == list(range(count))
        by_since = names(known, sort="since")
        assert sorted(by_since) == list(range(count))
        assert [-(n % 7) for n in by_since] == sorted(-(n % 7) for n in range(count))


def test_whoever_comes_between_two_pages_disturbs_nobody() -> None:
    """Each page goes on behind the last one that was shown."""
    known = Known([one(number) for number in range(0, 200, 2)], 180, NOW)
    page = listing(known, Filter(), "name")
    for number in range(1, 200, 2):
        known.put(one(number), NOW)
    follows = listing(known, Filter(), "name", page.next or "")
    assert int(follows.rows[0].instance.id, 16) == int(page.rows[-1].instance.id, 16) + 1


def test_filters_ask_for_what_an_instance_says() -> None:
    """Each by itself, and together."""
    pending = Pending(tag="v1.1.0", gate="quarantine")
    instances = [
        one(0),
        one(1, state=StateName.ROLLED_BACK, operation=FAILED, pending=pending),
        one(2, installed=None, channel="beta"),
        one(3, agent="0.2.0"),
        replace(one(4), cloned=NOW),
        replace(one(5), verified=True),
        replace(one(6), seen=NOW - 7200),
    ]
    known = Known(instances, 180, NOW)
    asked: list[tuple[dict[str, str], list[int]]] = [
        ({"state": "rolled_back"}, [1]),
        ({"state": "late"}, [6]),
        ({"installed": "-"}, [2]),
        ({"installed": "v1.0.0", "known": "verified"}, [5]),
        ({"tag": "v1.1.0"}, [1]),
        ({"step": "gate", "code": "gate.unhealthy"}, [1]),
        ({"gate": "quarantine"}, [1]),
        ({"channel": "beta"}, [2]),
        ({"agent": "0.2.0"}, [3]),
        ({"cloned": "yes"}, [4]),
        ({"cloned": "yes", "state": "late"}, []),
        ({"state": "held"}, []),
        ({"state": ""}, [0, 1, 2, 3, 4, 5, 6]),
    ]
    for wanted, found in asked:
        assert names(known, wanted) == found


@pytest.mark.parametrize("value", ["'; DROP TABLE instance; --", "<b>", "a" * 131, "\x00", "é"])
def test_what_no_instance_can_say_is_no_filter(value: str) -> None:
    """It is told at once."""
    with pytest.raises(Refused, match="cannot be"):
        Filter.of({"channel": value})


@pytest.mark.parametrize(
    ("sort", "after"), [("size", ""), ("name", "x"), ("name", "1." + "g" * 32), ("name", "9" * 99)]
)
def test_there_are_no_other_orders_and_pages(sort: str, after: str) -> None:
    """It is told at once."""
    with pytest.raises(Refused, match="no such"):
        listing(Known([], 180, NOW), Filter(), sort, after)
