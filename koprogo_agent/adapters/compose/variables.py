"""The variables of compose files: as compose lists them, or read from the files' text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from koprogo_agent.errors import StepFailed
from koprogo_agent.ports import Variable

_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_OPENING = re.compile(r"\$(?:\$|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*))")
_OPERATOR = re.compile(r":?[-?+]")


def listed(printed: bytes) -> tuple[Variable, ...] | None:
    """What `config --variables --format json` printed; None where that is no such list."""
    try:
        entries = json.loads(printed).values()
        found = [Variable(one["Name"], one["DefaultValue"], one["Required"]) for one in entries]
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    return tuple(sorted(found, key=lambda one: one.name))


def with_optional(found: tuple[Variable, ...], files: tuple[Path, ...]) -> tuple[Variable, ...]:
    """The same, with `optional` out of the files' text: Compose's list does not tell it.

    Raises:
        StepFailed: as `scanned`.
    """
    optional = {one.name for one in scanned(files) if one.optional}
    return tuple(replace(one, optional=one.name in optional) for one in found)


def scanned(files: tuple[Path, ...]) -> tuple[Variable, ...]:
    """The variables in the text of files, by the rules of the Compose Specification.

    For Compose before 2.26, and for files where its own list fails (it panics on a variable in
    place of a boolean). What is included from other files is not seen.

    Raises:
        StepFailed: a file cannot be read (code `compose.invalid`).
    """
    found: dict[str, Variable] = {}
    for path in files:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise StepFailed(f"cannot read {path}: {error}", code="compose.invalid") from error
        for one in in_text(_COMMENT.sub("", text)):
            before = found.get(one.name, one)
            found[one.name] = Variable(
                one.name,
                before.default or one.default,
                before.required or one.required,
                before.optional or one.optional,
            )
    return tuple(found[name] for name in sorted(found))


def in_text(text: str) -> Iterator[Variable]:
    """Every use of a variable in a text, those in the default of another included."""
    at = 0
    while opening := _OPENING.search(text, at):
        at = opening.end()
        if opening["bare"]:
            yield Variable(opening["bare"], "", required=False)
        elif opening["name"]:
            inner, at = _to_closing(text, at)
            operator = _OPERATOR.match(inner)
            kind = operator[0][-1] if operator else ""
            value = inner[operator.end() :] if operator else ""
            default = value if kind == "-" else ""
            yield Variable(opening["name"], default, kind == "?", optional=kind in {"-", "+"})
            yield from in_text(value)


def _to_closing(text: str, start: int) -> tuple[str, int]:
    """The text up to the brace that closes `${`, and the place after it."""
    depth = 1
    for at in range(start, len(text)):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return text[start:at], at + 1
    return text[start:], len(text)
