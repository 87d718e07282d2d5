"""The text of a configuration file: what differs from the defaults, each key with its meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from koprogo_agent.settings import Settings
from koprogo_agent.settings.sections import Probe

_HEAD = """\
# koprogo-agent: what differs from the defaults. All keys: config.example.toml in its documentation;
# what is in force: koprogo-agent config show
"""


def write(
    sections: Mapping[str, Mapping[str, Any]], probes: Iterable[Mapping[str, Any]] = ()
) -> str:
    """A configuration file with these keys.

    Args:
        sections: section -> key -> value; keys with their default are left out.
        probes: key -> value of each probe; none: the default one.
    """
    return "\n".join([_HEAD, *_lines(sections), *_probe_lines(probes)])


def _lines(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for section, values in sections.items():
        field = Settings.model_fields[section]
        assert isinstance(field.default, BaseModel)  # noqa: S101 - so says the type checker
        defaults = field.default.model_dump(mode="json")
        changed = {key: value for key, value in values.items() if value != defaults[key]}
        if not changed:
            continue
        yield f"[{section}]"
        for key, value in changed.items():
            meaning = type(field.default).model_fields[key].description
            yield f"# {meaning}"
            yield f"{key} = {_value(value)}"
        yield ""


def _probe_lines(probes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for probe in probes:
        yield "[[probe]]"
        for key, value in probe.items():
            yield f"# {Probe.model_fields[key].description}"
            yield f"{key} = {_value(value)}"
        yield ""


def _value(value: object) -> str:
    """A value as TOML has it: JSON's form, but for tables, and one character of texts."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(k)} = {_value(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
