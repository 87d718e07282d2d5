"""What the agent writes about itself: JSON for the journal, words on a terminal.

Every event passes one door, and there secrets are taken out and control characters made harmless:
a release, a registry or a container can make the agent log its words, never forge a line with them.
Events are named like `step.done` and carry what they concern as keys. This is the only module that
imports structlog; the others ask for `get_logger`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import IO, Any, Literal

import structlog

from koprogo_agent import places, redact

Level = Literal["debug", "info", "warning", "error"]
Logger = structlog.typing.FilteringBoundLogger

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_MAX_TEXT = 8000
_MAX_DEPTH = 6


def get_logger(**bound: object) -> Logger:
    """A logger whose events all carry the given keys."""
    logger: Logger = structlog.get_logger(**bound)
    return logger


def configure(
    level: Level, *, secrets: tuple[str, ...] = (), stream: IO[str] | None = None
) -> None:
    """Sends all logging of the process, that of libraries too, through the one door.

    Args:
        level: least important kind of event that is written.
        secrets: values that must not be seen, whatever their place.
        stream: where to write; standard error unless given. A terminal gets words, everything else
            one JSON object a line, behind a syslog priority such as `<6>` where journald listens.
    """
    target = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Cleaner(secrets),
            *_renderers(target),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Sink(target),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


class _Cleaner:
    """The door: takes out secrets and escapes control characters, at any depth."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __call__(
        self, _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        trace = event.pop("exception", None)
        clean = {self._text(key): self._entry(key, value, 0) for key, value in event.items()}
        if trace is not None:
            clean["exception"] = redact.printable(self._redact(str(trace)), keep_lines=True)
        return clean

    def _entry(self, key: object, value: object, depth: int) -> object:
        if value is not None and redact.is_secret_name(str(key)):
            return redact.MASK
        return self._clean(value, depth)

    def _clean(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth < _MAX_DEPTH:
            if isinstance(value, Mapping):
                return {
                    self._text(str(key)): self._entry(key, inner, depth + 1)
                    for key, inner in value.items()
                }
            if isinstance(value, list | tuple | set | frozenset):
                return [self._clean(inner, depth + 1) for inner in value]
        if isinstance(value, bytes):
            return self._text(value.decode(errors="replace"))
        return self._text(str(value))  # a SecretStr says asterisks here, by itself

    def _text(self, value: str) -> str:
        return redact.printable(places.typed_here(self._redact(value)))

    def _redact(self, value: str) -> str:
        # Looks at twice of what it keeps: a secret that the first cut halves falls to the second.
        return redact.text(value[: 2 * _MAX_TEXT], self._secrets)[:_MAX_TEXT]


class _Sink:
    """Writes finished lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # A full disk or a reader that went away must not stop an update half-way.
            return

    debug = info = warning = error = critical = _write


class _Forward(logging.Handler):
    """Takes what libraries log through the standard library to the one door."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        logger.log(
            record.levelno,
            "library.said",
            library=record.name,
            words=_words(record),
            exc_info=record.exc_info,
        )


def _words(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a library's own mistake in its format
        return str(record.msg)


def _renderers(stream: IO[str]) -> list[structlog.typing.Processor]:
    if stream.isatty():
        return [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    return [_journal_line(as_json)] if _is_journal(stream) else [as_json]


def _journal_line(render: structlog.typing.Processor) -> structlog.typing.Processor:
    """A renderer that puts the syslog priority before the line (sd-daemon(3))."""

    def line(logger: Any, method: str, event: structlog.typing.EventDict) -> str:  # noqa: ANN401
        priority = _PRIORITIES[event["level"]]
        return f"<{priority}>{render(logger, method, event)!s}"

    return line


def _is_journal(stream: IO[str]) -> bool:
    """Whether journald reads this stream: JOURNAL_STREAM names its device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
