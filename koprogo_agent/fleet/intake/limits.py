"""How often somebody may do something: token buckets, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network

_SITE = 56
"""Bits of an IPv6 address that a site has of its own: within it, it may take any."""
_MOST = 200_000
"""Keys that are remembered; whoever was quiet for longest is forgotten first."""


@lru_cache(maxsize=4096)
def site_of(address: str) -> str:
    """The address as floods are counted by it: of IPv6 the site, in which one may have any number.

    What is no address, such as that of a socket, is counted as it is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), _SITE), strict=False))


@dataclass
class Limit:
    """So many in a period for each key, and as many at once.

    Attributes:
        count: how many.
        period: seconds.
    """

    count: float
    period: float
    _left: OrderedDict[object, tuple[float, float]] = field(default_factory=OrderedDict)

    def allows(self, key: object, now: float) -> bool:
        """Whether one more is allowed at a moment, which rises; if so, it is counted."""
        left, at = self._left.pop(key, (self.count, now))
        left = min(left + (now - at) * self.count / self.period, self.count)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        return allowed

    def wait(self, key: object) -> float:
        """Seconds until one more is allowed."""
        left, _ = self._left.get(key, (self.count, 0.0))
        return max(1 - left, 0.0) * self.period / self.count
