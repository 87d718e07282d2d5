"""Numbers, shares, moments and spans, as each language writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_DAYS = {"fr": "j", "nl": "d", "de": "T", "en": "d"}


class Writing:
    """How one language writes, in one time zone."""

    def __init__(self, language: str, zone: str) -> None:
        self._language = language
        # German and English as they are written in Belgium's neighbourhood: days before months.
        self._locale = {"fr": "fr_BE", "nl": "nl_BE", "de": "de_BE", "en": "en_BE"}[language]
        self._zone = ZoneInfo(zone)

    def number(self, count: int) -> str:
        """A whole number."""
        return format_decimal(count, locale=self._locale)

    def percent(self, share: float) -> str:
        """A share; what is there is never said to be nothing, nor all."""
        if share in {0.0, 1.0}:
            return format_percent(share, "#,##0 %", locale=self._locale)
        return format_percent(min(max(share, 0.001), 0.999), "#,##0.0 %", locale=self._locale)

    def moment(self, at: int) -> str:
        """A moment, to the minute, where the reader is."""
        return format_datetime(self._there(at), "d MMM y HH:mm", locale=self._locale)

    def zone(self, at: int) -> str:
        """What time that is then, such as CET."""
        return self._there(at).tzname() or ""

    def _there(self, at: int) -> datetime:
        return datetime.fromtimestamp(at, self._zone)

    def iso(self, at: int) -> str:
        """A moment as machines read it."""
        return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")

    def span(self, seconds: int) -> str:
        """How long something took, in its two greatest units."""
        if seconds < _MINUTE:
            return f"{seconds} s"
        if seconds < _HOUR:
            return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
        if seconds < _DAY:
            return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
        return f"{seconds // _DAY} {_DAYS[self._language]} {seconds % _DAY // _HOUR} h"
