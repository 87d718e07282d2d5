"""The figures, for a terminal, for the README, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tests.bench.figure import Figure

COLUMNS = ("figure", "measured", "floor", "ratio", "limit", "holds", "")
_WORDS = {True: "yes", False: "NO", None: ""}
_COLOURS = {True: "green", False: "red", None: "white"}


def show(console: Console, figures: Sequence[Figure], lost: Mapping[str, str]) -> None:
    """Prints a line for each figure with what explains it below, and what was not measured."""
    console.print("[bold]koprogo-agent, measured[/]")
    for figure in figures:
        what, measured, floor, ratio, limit, holds, beside = _cells(figure)
        compared = ", ".join(
            f"{name} {text}"
            for name, text in (("floor", floor), ("ratio", ratio), ("limit", limit))
            if text
        )
        line = Text(f"{holds:>4} ", _COLOURS[figure.holds])
        line.append(f"{what}: ", "default").append(measured, "bold")
        line.append(f"  ({compared})" if compared else "", "default")
        console.print(line)
        if beside:
            console.print(Padding(Text(beside, "dim"), (0, 0, 0, 7)))
    for name, why in lost.items():
        console.print(f"[red]could not be measured: {name}[/]: {why}", markup=True)


def as_markdown(figures: Iterable[Figure]) -> str:
    """The table as the README carries it."""
    lines = [_line(COLUMNS), _line("---" for _ in COLUMNS)]
    return "\n".join([*lines, *(_line(_cells(figure)) for figure in figures)]) + "\n"


def as_json(figures: Iterable[Figure], lost: Mapping[str, str]) -> str:
    """The table for programs."""
    rows = [
        {**asdict(one), "ratio": one.ratio, "most": one.most, "holds": one.holds} for one in figures
    ]
    return json.dumps({"figures": rows, "not_measured": dict(lost)}, indent=1) + "\n"


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.what,
        _amount(figure.measured, figure.unit),
        _amount(figure.floor, figure.unit),
        "" if figure.ratio is None else f"{figure.ratio:.2f} x",
        _limit(figure),
        _WORDS[figure.holds],
        figure.beside,
    )


def _limit(figure: Figure) -> str:
    if figure.times_floor is not None:
        return f"{figure.times_floor:g} x"
    return _amount(figure.limit, figure.unit)


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if not unit:
        return f"{value:,.0f}"
    return f"{value:.2f} {unit}" if abs(value) < 10 else f"{value:.1f} {unit}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
