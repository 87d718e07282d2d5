"""What the types of a message do not say: forms of words, tags, numbers and moments."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from koprogo_agent.domain.versions import parse_tag, parse_version
from koprogo_agent.errors import Refused

_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,47}")
# As a manifest has it: a channel is the association's word, not the agent's.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_BEYOND = 2**53
"""The first number that a reader of JSON may round."""
# A fleet has few versions, and a server is told of each of them again and again.
_tag = lru_cache(maxsize=1024)(parse_tag)
_version = lru_cache(maxsize=1024)(parse_version)


def match(pattern: re.Pattern[str], **values: str | None) -> None:
    """Each value that there is has this form, whole.

    Raises:
        ValueError: one has not; so do the others.
    """
    for name, value in values.items():
        if value is not None and not pattern.fullmatch(value):
            raise ValueError(f"{name} is not of the form {pattern.pattern}")


def words(**values: str | None) -> None:
    """Names from the agent's own vocabulary, which may grow."""
    match(_WORD, **values)


def names(**values: str) -> None:
    """Names that the association gives, such as that of a channel."""
    match(_NAME, **values)


def numbers(**values: int) -> None:
    """Whole numbers that JSON carries unharmed."""
    for name, value in values.items():
        if type(value) is not int or not 0 <= value < _BEYOND:
            raise ValueError(f"{name} is not a whole number from 0 to 2^53")


def counts(**values: int | None) -> None:
    """Whole numbers, where there are any."""
    numbers(**{name: value for name, value in values.items() if value is not None})


def moments(**values: int | None) -> None:
    """Seconds since 1970, where there are any."""
    counts(**values)


def tags(**values: str | None) -> None:
    """Names of release tags, where there are any."""
    for name, value in values.items():
        if value is not None:
            _parsed(name, value, _tag)


def versions(**values: str) -> None:
    """Versions such as 1.2.3."""
    for name, value in values.items():
        _parsed(name, value, _version)


def line(longest: int, **values: str) -> None:
    """One line for a person, perhaps empty."""
    for name, value in values.items():
        if len(value) > longest or not value.isprintable():
            raise ValueError(f"{name} is too long, or not one printable line")


def _parsed(name: str, value: str, parse: Callable[[str], object]) -> None:
    try:
        parse(value)
    except Refused as error:
        raise ValueError(f"{name}: {error.message}") from None
