"""The first configuration file, as it is written and read again."""

from __future__ import annotations

import tomllib
from pathlib import Path

from koprogo_agent.settings import load
from koprogo_agent.setup.document import write
from koprogo_agent.setup.words import Language, Question, say


def test_only_what_differs_is_written_and_with_its_meaning() -> None:
    """A default that a later version improves must not be frozen in thousands of files."""
    text = write(
        {
            "source": {"interval": 180},
            "stack": {"project": "immeuble-éclair", "directory": "/srv/koprogo"},
        }
    )
    assert tomllib.loads(text) == {
        "stack": {"project": "immeuble-éclair", "directory": "/srv/koprogo"}
    }
    assert "# folder that a release's files are laid in" in text


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """With every character that JSON and TOML spell differently, or might."""
    file = tmp_path / "config.toml"
    directory = '/srv/a "b" \\ é\x7f'
    file.write_text(write({"stack": {"directory": directory, "env_files": []}}))
    settings = load(file)
    assert str(settings.stack.directory) == directory
    assert settings.stack.env_files == ()


def test_every_question_is_asked_in_every_language() -> None:
    """A missing translation would be a fault in the middle of an installation."""
    values = {"name": "koprogo", "folder": "/srv/koprogo", "given": "ann"}
    values |= {"found": "v1.0.0", "pattern": 'image_tag = "{tag}"'}
    values |= {"url": "https://127.0.0.1:443/", "host": "api.example.org"}
    said = {
        question: {say(question, language, **values) for language in Language}
        for question in Question
    }
    assert len(said.pop(Question.YES_OR_NO)) == len(Language) - 1  # ja begins as in German
    assert all(len(words) == len(Language) for words in said.values())
