"""What is wrong with a configuration, in words for the person who wrote it.

A configuration is read as a whole: every fault is found and told at once, with where it is, what is
wrong and what is right.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from koprogo_agent import places, redact
from koprogo_agent.errors import NeedsOperator

ENV_PREFIX = "KOPROGO_AGENT_"
ENV_DELIMITER = "__"
# Variables with the prefix that are no settings.
_OTHER_VARIABLES = frozenset({places.VARIABLE})
_MAX_BYTES = 1024 * 1024
_MAX_SHOWN = 60

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a number",
    "bool_parsing": "is not true or false",
    "bool_type": "is not true or false",
    "string_type": "is not a text; put it in quotes",
    "path_type": "is not a path; put it in quotes",
    "tuple_type": 'is not a list; write it as ["…", "…"]',
    "dict_type": 'is not a table; write it as { key = "value" }',
    "model_type": "is not a section; write it as [name] with its keys below",
    "model_attributes_type": "is not a section; write it as [name] with its keys below",
    "literal_error": "is not one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_pattern_mismatch": "is not in the right form",
    "too_short": "must have at least {min_length} of them",
    "value_error": "{error}",
}


def invalid(file: Path, found: list[str]) -> NeedsOperator:
    """One error that tells every fault."""
    count = "a fault" if len(found) == 1 else f"{len(found)} faults"
    return NeedsOperator(
        "\n  ".join([f"the configuration in {file} has {count}", *found]),
        code="config.invalid",
        advice="mend it, then check it with `koprogo-agent config check`",
    )


def read_toml(file: Path) -> dict[str, Any]:
    """The content of the file.

    Raises:
        NeedsOperator: it cannot be read, is not TOML, or anyone on the machine may write to it.
    """
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise NeedsOperator(
            f"cannot read the configuration {file}: {(error.strerror or str(error)).lower()}",
            code="config.invalid",
            advice="write one after config.example.toml, or name yours with --config",
        ) from None
    if mode & stat.S_IWOTH:
        raise NeedsOperator(
            f"everybody on this machine may write to {file}, and so tell the agent what to do",
            code="config.invalid",
            advice=f"type: chmod o-w {file}",
        )
    if len(raw) > _MAX_BYTES:
        raise invalid(file, [f"it has more than {_MAX_BYTES} bytes"])
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise invalid(file, [f"line {line} is not UTF-8 text; save the file as UTF-8"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise invalid(file, [f"it is not TOML: {str(error)[:200]}"]) from None


def find_unknown(
    settings: type[BaseModel], document: Mapping[str, Any], environ: Mapping[str, str]
) -> list[str]:
    """Faults of sections and environment variables that do not exist."""
    found = [
        f"{name}: {_unknown(settings, (name,))}"
        for name in document
        if name not in settings.model_fields
    ]
    names = list(_variables(settings))
    for variable in environ:
        first = variable.removeprefix(ENV_PREFIX).split(ENV_DELIMITER)[0].lower()
        ours = variable.startswith(ENV_PREFIX) and variable not in _OTHER_VARIABLES
        if ours and first not in settings.model_fields:
            found.append(
                f"environment variable {variable}: is not known{_nearest(variable, names)}"
            )
    return found


def explain(
    settings: type[BaseModel], error: ValidationError, environ: Mapping[str, str]
) -> list[str]:
    """The faults that pydantic found."""
    details = error.errors(include_url=False)
    inside = {detail["loc"][:-1] for detail in details}
    return [
        _explain_one(settings, detail, environ)
        for detail in details
        # A list whose entries are faulty counts as empty too; that is no fault of its own.
        if not (detail["type"] == "too_short" and detail["loc"] in inside)
    ]


def explain_environment(error: SettingsError) -> str:
    """A fault in an environment variable that must hold JSON."""
    return f"environment: {str(error)[:200]}; lists and tables are given there as JSON"


def _explain_one(
    settings: type[BaseModel], detail: ErrorDetails, environ: Mapping[str, str]
) -> str:
    path, kind = detail["loc"], detail["type"]
    where = _variable_that_set(path, environ) or _key(path)
    if kind == "extra_forbidden":
        return f"{where}: {_unknown(settings, path)}"
    field = _field(settings, path)
    words = _WORDS.get(kind)
    wrong = words.format(**detail.get("ctx", {})) if words else detail["msg"].lower().rstrip(".")
    if kind == "value_error":  # our own words, which say what is right
        return f"{where}: {wrong}"
    shown = _shown(path, detail["input"])
    meaning = f" ({field.description})" if field else ""
    return f"{where}: {shown}{wrong}{meaning}"


def _unknown(settings: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """Says that a key does not exist, and which one is meant or where it belongs."""
    name = str(path[-1])
    field = _field(settings, path[:-1])
    section = (field and _section(field)) or settings
    close = _nearest(name, section.model_fields)
    homes = [
        f"[{key}]"
        for key, field in settings.model_fields.items()
        if name in getattr(_section(field), "model_fields", {})
    ]
    if homes and not close:
        close = f"; it belongs to {' or '.join(homes)}"
    return f"there is no such key{close or '; keys here are ' + ', '.join(section.model_fields)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _shown(path: tuple[int | str, ...], value: object) -> str:
    """The value as written, unless it is long-winded or a secret."""
    if not isinstance(value, str | int | float) or "notify" in path:
        return ""
    if any(redact.is_secret_name(str(part)) for part in path):
        return ""
    return f"{redact.text(repr(value))[:_MAX_SHOWN]} "


def _key(path: tuple[int | str, ...]) -> str:
    """A key's path as people read it: `probe (number 2).port`."""
    parts = [f" (number {part + 1})" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".") or "taken together"


def _variable_that_set(path: tuple[int | str, ...], environ: Mapping[str, str]) -> str:
    """The environment variable that a faulty value came from, or nothing."""
    names = [str(part) for part in path if isinstance(part, str)]
    candidates = (environment_variable(names[:end]) for end in range(len(names), 0, -1))
    return next((f"environment variable {name}" for name in candidates if name in environ), "")


def environment_variable(path: Sequence[str]) -> str:
    """The name of the variable that sets a key."""
    return ENV_PREFIX + ENV_DELIMITER.join(path).upper()


def _variables(settings: type[BaseModel]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        for key in getattr(_section(field), "model_fields", {}):
            yield environment_variable([name, key])
        yield environment_variable([name])


def _field(settings: type[BaseModel], path: tuple[int | str, ...]) -> FieldInfo | None:
    """The key that a path leads to, or into."""
    section: type[BaseModel] | None = settings
    field = None
    for part in path:
        if isinstance(part, str) and section and part in section.model_fields:
            field = section.model_fields[part]
            section = _section(field)
    return field


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a key holds, one or a list of them, or None for a plain value."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
