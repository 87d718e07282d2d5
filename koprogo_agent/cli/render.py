"""How things look on a terminal, and the same for programs.

Nothing is read as Rich markup, and control characters have no effect: names of tags and words of
registries come from outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from koprogo_agent import redact

# Programs that read a table in a pipe want whole lines.
_PIPE_WIDTH = 400


def as_json(document: object) -> None:
    """Prints a document for programs; whoever builds it leaves secrets out."""
    clean = json.dumps(document, indent=2, ensure_ascii=False)
    _console().print(Text(redact.printable(clean, keep_lines=True)), soft_wrap=True)


def line(text: str) -> None:
    """Prints one line."""
    _console().print(_text(text), soft_wrap=True)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table; the first column is the one that people look for."""
    drawn = Table(title=_text(title), title_justify="left", box=SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        drawn.add_column(heading, style="bold" if number == 0 else "", overflow="fold")
    for row in rows:
        drawn.add_row(*(_text(cell) for cell in row))
    _console().print(drawn)


def value(of: object) -> str:
    """A value as one would write it in the configuration."""
    if of is None:
        return "not set"
    if isinstance(of, float) and of.is_integer():
        return str(int(of))
    return json.dumps(of, ensure_ascii=False)


def _text(text: str) -> Text:
    return Text(redact.printable(redact.text(text)))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
