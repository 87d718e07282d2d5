"""The kinds of values that settings have, checked once at the edge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from koprogo_agent.domain.manifest import is_safe_path
from koprogo_agent.domain.windows import Window, parse_window

_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"{str(path)[:60]!r} is not an absolute path; begin it with / and leave out .."
        )
    return path


def _repository_path(path: str) -> str:
    if not is_safe_path(path):
        raise ValueError(
            f"{path[:60]!r} is not a path inside the repository; write it as folder/file.yml"
        )
    return path


def _window(value: object) -> object:
    return parse_window(value) if isinstance(value, str) else value


def _time_of_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    match = _TIME_OF_DAY.fullmatch(value)
    if not match:
        raise ValueError(
            f'{value[:60]!r} is not a time of day; write it as "03:30", or "" for never'
        )
    return time(int(match[1]), int(match[2]))


def _write_time(value: time | None) -> str:
    return "" if value is None else f"{value:%H:%M}"


Seconds = Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
RepositoryPath = Annotated[str, AfterValidator(_repository_path)]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
ProjectName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=1000)]
DailyTime = Annotated[
    time | None, BeforeValidator(_time_of_day), PlainSerializer(_write_time, return_type=str)
]
WindowText = Annotated[Window, BeforeValidator(_window), PlainSerializer(str, return_type=str)]


def check_source_url(url: str, allow_protocols: Sequence[str] | None) -> None:
    """Checks that git may use a URL and that it holds no secret.

    Args:
        url: the address.
        allow_protocols: what git may use; None when that is not known, and not checked.

    Raises:
        ValueError: it may not, or it does.
    """
    if not url or url.startswith("-") or not url.isprintable() or " " in url:
        raise ValueError("not the address of a git repository; write it as https://host/path.git")
    protocol, userinfo = _protocol_and_userinfo(url)
    # The name alone is a secret too, where a forge takes its tokens in that place.
    if ":" in userinfo or (userinfo and protocol != "ssh"):
        raise ValueError("must not hold a name, password or token; use an ssh address instead")
    if allow_protocols and protocol not in allow_protocols:
        raise ValueError(
            f"uses {protocol}, which allow_protocols does not name; use"
            f" {allow_protocols[0]}, or add {protocol} there"
        )


def protocol_of(url: str) -> str:
    """The protocol by which git asks a URL."""
    return _protocol_and_userinfo(url)[0]


def _protocol_and_userinfo(url: str) -> tuple[str, str]:
    if "://" in url:
        parts = urlsplit(url)
        return parts.scheme.lower(), parts.netloc.rpartition("@")[0]
    if url.startswith("/"):
        return "file", ""
    return "ssh", url.partition(":")[0].rpartition("@")[0]  # git's short form, user@host:path
