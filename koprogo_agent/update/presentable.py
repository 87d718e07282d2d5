"""Failures fit to be written down and told: without secrets, without effects on a terminal."""

from __future__ import annotations

from dataclasses import replace

from dotenv import dotenv_values

from koprogo_agent import redact
from koprogo_agent.errors import Failure
from koprogo_agent.settings import Settings


def presentable(failure: Failure, settings: Settings) -> Failure:
    """The failure, its message without what nobody may read of the stack's env files.

    Compose repeats values that it cannot use, and containers print what they were given.
    """
    found = [
        value
        for path in settings.stack.env_files
        for name, value in dotenv_values(path, interpolate=False).items()
        if value and redact.is_secret_name(name)
    ]
    # The longest first: one may be the beginning of another.
    secrets = sorted(found, key=len, reverse=True)
    message = redact.text(failure.message, secrets)
    return replace(failure, message=redact.printable(message, keep_lines=True))
