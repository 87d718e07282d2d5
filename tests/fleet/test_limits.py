"""Token buckets: so many at once, and then at a pace."""

from __future__ import annotations

from koprogo_agent.fleet.limits import Limit


def test_so_many_at_once_and_then_at_a_pace() -> None:
    """Each key has its own."""
    limit = Limit(count=3, period=60)
    assert [limit.allows("ann", 0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert limit.wait("ann") == 20
    assert limit.allows("bob", 0.0)
    assert not limit.allows("ann", 19.9)
    assert limit.allows("ann", 20.1)
    assert not limit.allows("ann", 20.2)


def test_a_pause_earns_no_more_than_that() -> None:
    """However long it was."""
    limit = Limit(count=3, period=60)
    limit.allows("ann", 0.0)
    assert [limit.allows("ann", 86_400.0) for _ in range(4)] == [True] * 3 + [False]


def test_who_has_asked_nothing_need_not_wait() -> None:
    """Nothing is kept of them."""
    assert Limit(count=3, period=60).wait("ann") == 0
