"""The languages of the dashboard: those of Belgium, and English. Their words are in `words/`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Language(StrEnum):
    """The languages, as browsers name them."""

    FR = "fr"
    NL = "nl"
    DE = "de"
    EN = "en"

    @property
    def own_name(self) -> str:
        """As those call it who speak it."""
        return words(self)["own_name"]


@cache
def words(language: Language) -> Mapping[str, str]:
    """Every word in a language."""
    text = files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8")
    read: Mapping[str, str] = tomllib.loads(text)
    return read


def preferred(header: str) -> Language:
    """The best language for an `Accept-Language`; French where none of ours is asked for."""
    asked = []
    for number, part in enumerate(header.split(",")[:20]):
        name, _, weight = part.strip().partition(";q=")
        known = name.strip()[:2].lower()
        if known in set(Language):
            asked.append((-_weight(weight), number, Language(known)))
    return min(asked)[2] if asked else Language.FR


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
