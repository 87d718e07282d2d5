"""Numbers, shares, moments and spans, as each language writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent

from koprogo_agent.fleet.pages.languages import Language

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TENTHS_BELOW = 9_950
"""Milliseconds; above, they are rounded to whole seconds."""
_LAST = 253_402_214_400
"""Almost the end of the year 9999: an instance may say any moment, a calendar has no later one."""
_LOCALES = {
    Language.FR: "fr_BE",
    Language.NL: "nl_BE",
    Language.DE: "de_BE",
    Language.EN: "en_GB",  # in Belgium's own English, a point would part thousands
}
_DAYS = {Language.FR: "j", Language.NL: "d", Language.DE: "T", Language.EN: "d"}


class Writing:
    """How one language writes, in one time zone."""

    def __init__(self, language: Language, zone: str) -> None:
        self._language = language
        self._locale = _LOCALES[language]
        self._zone = ZoneInfo(zone)

    def number(self, count: int) -> str:
        """A whole number."""
        return _decimal(count, self._locale)

    def percent(self, share: float) -> str:
        """A share; what is there is never said to be nothing, nor all."""
        if share in {0.0, 1.0}:
            return _percent(share, "#,##0 %", self._locale)
        return _percent(min(max(round(share, 3), 0.001), 0.999), "#,##0.0 %", self._locale)

    def moment(self, at: int) -> str:
        """A moment, to the minute, where the reader is."""
        return _datetime(self._there(at - at % _MINUTE), self._locale)

    def zone(self, at: int) -> str:
        """What time that is then, such as CET."""
        return self._there(at).tzname() or ""

    def _there(self, at: int) -> datetime:
        return datetime.fromtimestamp(min(at, _LAST), self._zone)

    def iso(self, at: int) -> str:
        """A moment as machines read it."""
        return datetime.fromtimestamp(min(at, _LAST), UTC).isoformat().replace("+00:00", "Z")

    def span(self, seconds: int) -> str:
        """How long something took, in its two greatest units."""
        if seconds < _MINUTE:
            return f"{seconds} s"
        if seconds < _HOUR:
            return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
        if seconds < _DAY:
            return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
        return f"{seconds // _DAY} {_DAYS[self._language]} {seconds % _DAY // _HOUR} h"

    def wait(self, milliseconds: int) -> str:
        """How long a request waited: below ten seconds, a tenth matters."""
        if milliseconds < _TENTHS_BELOW:
            return f"{_tenths(round(milliseconds / 1000, 1), self._locale)} s"
        return self.span(round(milliseconds / 1000))


# A page may hold some thousand figures, and most of them are on the next one as well.
@lru_cache(maxsize=10_000)
def _percent(share: float, form: str, locale: str) -> str:
    return format_percent(share, form, locale=locale)


@lru_cache(maxsize=10_000)
def _decimal(count: int, locale: str) -> str:
    return format_decimal(count, locale=locale)


@lru_cache(maxsize=10_000)
def _tenths(seconds: float, locale: str) -> str:
    return format_decimal(seconds, "0.0", locale=locale)


@lru_cache(maxsize=10_000)
def _datetime(at: datetime, locale: str) -> str:
    return format_datetime(at, "d MMM y HH:mm", locale=locale)
