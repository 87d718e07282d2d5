"""Reads what an address asks for: pages and the API take the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from koprogo_agent.errors import Refused
from koprogo_agent.fleet.domain.census import Who
from koprogo_agent.fleet.domain.instances import Presence
from koprogo_agent.wire.report import StateName

RANGES = (7, 30, 365)
"""Days of which versions can be shown."""
ORDERS = ("name", "since")
STATES = (*map(str, StateName), *(str(one) for one in Presence if one is not Presence.REPORTING))
"""In which an instance can be counted."""
_WRONG = "query.value"
MOST = 2**53
"""The greatest number of which JSON tells every other one apart."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_LAST = 253_402_300_799
"""The end of the year 9999: there is no later moment."""

Query = Mapping[str, str]


def who(query: Query) -> Who:
    """Of whom (`known`).

    Raises:
        Refused: there is no such thing (code `query.value`); so do the others.
    """
    asked = query.get("known", Who.ALL)
    if asked not in set(Who):
        raise Refused("known is all, verified or unverified", code=_WRONG)
    return Who(asked)


def days(query: Query) -> int:
    """Of how many days (`days`)."""
    asked = query.get("days", str(RANGES[1]))
    if asked not in set(map(str, RANGES)):
        raise Refused(f"days is one of {', '.join(map(str, RANGES))}", code=_WRONG)
    return int(asked)


def moment(query: Query, zone: ZoneInfo) -> int | None:
    """As of when (`at`), as a form or a machine writes it; None where that is not asked.

    Before 1970 there was nothing, and nothing will be after the year 9999: it is the nearest there.
    """
    asked = query.get("at", "")
    if not asked:
        return None
    try:
        at = datetime.fromisoformat(asked)
        at = at if at.tzinfo else at.replace(tzinfo=zone)
        seconds = (at - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise Refused("at is a moment such as 2026-11-26T10:15Z", code=_WRONG) from error
    return min(max(seconds, 0), _LAST)


def number(query: Query, name: str) -> int | None:
    """A number from which a page goes on; None where it is the first."""
    asked = query.get(name, "")
    if not asked:
        return None
    is_number = asked.isascii() and asked.isdecimal() and len(asked) <= len(str(MOST))
    if not is_number or int(asked) > MOST:
        raise Refused(f"{name} is a whole number up to {MOST}", code=_WRONG)
    return int(asked)
