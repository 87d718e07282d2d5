"""The example configuration tells the truth: every key, no other, and the code's own defaults."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from koprogo_agent.settings import Settings, load

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
COMMENTED_KEY = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)


def test_it_loads_and_is_what_the_code_takes_by_itself() -> None:
    """Whoever copies the example and changes nothing gets the defaults."""
    assert load(EXAMPLE) == Settings()


def test_with_its_comments_taken_away_it_names_every_key_and_no_other() -> None:
    """A key that is added or removed in the code must be so in the example."""
    document = tomllib.loads(COMMENTED_KEY.sub("", EXAMPLE.read_text()))

    assert named_keys(document) == known_keys(Settings)


def test_with_its_comments_taken_away_it_loads(tmp_path: Path) -> None:
    """What is shown in a comment is right as well."""
    uncommented = tmp_path / "config.toml"
    uncommented.write_text(COMMENTED_KEY.sub("", EXAMPLE.read_text()))

    assert load(uncommented) != Settings()


def test_every_key_is_described() -> None:
    """`config show` and the messages about faults use the descriptions."""
    sections = [section_of(field.annotation) for field in Settings.model_fields.values()]
    models: list[type[BaseModel]] = [Settings, *filter(None, sections)]
    undescribed = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]

    assert undescribed == []


def named_keys(document: dict[str, Any]) -> set[str]:
    """The keys that a document names, as `section.key`."""
    keys: set[str] = set()
    for section, content in document.items():
        for entry in content if isinstance(content, list) else [content]:
            keys.update(f"{section}.{key}" for key in entry)
    return keys


def known_keys(settings: type[BaseModel]) -> set[str]:
    """The keys that the code knows, as `section.key`."""
    return {
        f"{section}.{key}"
        for section, field in settings.model_fields.items()
        for key in (section_of(field.annotation) or BaseModel).model_fields
    }


def section_of(annotation: object) -> type[BaseModel] | None:
    """The section's model in `Model` or `tuple[Model, ...]`."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
