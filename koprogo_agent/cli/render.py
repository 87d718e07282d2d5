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

from koprogo_agent import places, redact

# Programs that read a table in a pipe want whole lines.
_PIPE_WIDTH = 400


def as_json(document: object) -> None:
    """Prints a document for programs; whoever builds it leaves secrets out."""
    clean = json.dumps(document, indent=2, ensure_ascii=False)
    console().print(Text(redact.printable(clean, keep_lines=True)), soft_wrap=True)


def line(text: str, style: str = "") -> None:
    """Prints one line; an empty text makes room."""
    console().print(styled(text, style), soft_wrap=True)


def beside(target: Console, head: Text, said: Text) -> None:
    """Prints a head and words beside it; on a terminal, long ones wrap below themselves."""
    if not target.is_terminal:
        target.print(Text.assemble(head, said), soft_wrap=True)
        return
    drawn = Table.grid()
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    drawn.add_row(head, said)
    target.print(drawn)


def note(name: str, text: str) -> None:
    """Prints a name that is one of a few, such as `why:`, and what is to be said under it."""
    beside(console(), Text(f"  {name:<7}"), styled(text))


def pairs(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Prints names and what is to be said of each; what has nothing to say is left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, said in rows:
        if said:
            drawn.add_row(f"  {name}", _cell(said))
    _print(drawn)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Prints a table; the first column is the one that people look for."""
    drawn = Table(box=SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        drawn.add_column(heading, style="bold" if number == 0 else "", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(cell) for cell in row))
    if title:
        line(title, "bold")
    _print(drawn)


def value(of: object) -> str:
    """A value as one would write it in the configuration."""
    if of is None:
        return "not set"
    if isinstance(of, float) and of.is_integer():
        return str(int(of))
    return json.dumps(of, ensure_ascii=False)


def styled(text: str, style: str = "") -> Text:
    """A text made harmless, in a style of ours."""
    return Text(redact.printable(places.typed_here(redact.text(text))), style)


def console(*, stderr: bool = False) -> Console:
    """Where to print: colours on terminals only."""
    made = Console(highlight=False, stderr=stderr)
    if made.is_terminal:
        return made
    return Console(highlight=False, stderr=stderr, width=_PIPE_WIDTH)


def _print(drawn: Table) -> None:
    """Without the spaces that fill a table's lines: in a pipe they are noise."""
    target = console()
    with target.capture() as captured:
        target.print(drawn)
    lines = (one.rstrip() for one in captured.get().split("\n"))
    target.print(Text.from_ansi("\n".join(one for one in lines if one)), soft_wrap=True)


def _cell(of: str | Text) -> Text:
    return of if isinstance(of, Text) else styled(of)
