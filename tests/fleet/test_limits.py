"""Token buckets: so many at once, and then at a pace."""

from __future__ import annotations

import pytest

from koprogo_agent.fleet.intake.limits import Limit, site_of


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


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1ff::7", "2001:db8:0:100::/56"),
        ("2001:db8:0:2ff::7", "2001:db8:0:200::/56"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/56"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_site_is_counted_as_one(address: str, site: str) -> None:
    """Whoever has IPv6 has more addresses than anybody could count."""
    assert site_of(address) == site
