"""Measures everything and prints one table.

KOPROGO_BENCH says how much: quick for work on the benchmark itself, usual (a quarter of an hour) or
full (two hours). KOPROGO_BENCH_UPDATES says how many updates under load instead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console

from koprogo_agent.errors import AgentError
from tests.bench import crowd, fleet, growth, idle, load, pages, precautions, table
from tests.bench.figure import Figure
from tests.bench.site import Site
from tests.bench.size import Size, SizeError, chosen
from tests.lab.lab import Lab
from tests.lab.processes import LabError

Part = tuple[str, Callable[[], Iterable[Figure]]]

SMALL_MB = 10
_IN_LAB = ("precautions", "idle daemon", "load")


def main() -> int:
    """0 when everything could be measured, whatever came out."""
    options = _options()
    console = Console()
    try:
        size = chosen()
    except SizeError as error:
        console.print(f"[red]{error}[/]")
        return 2
    figures: list[Figure] = []
    lost: dict[str, str] = {}
    began = time.monotonic()
    for name, part in _parts(size, tuple(options.only)):
        with console.status(f"measuring: {name}"):
            try:
                figures += part()
            except (AgentError, LabError, OSError, subprocess.SubprocessError) as error:
                lost[name] = str(error)
    table.show(console, figures, lost)
    console.print(f"measured in {time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_text(table.as_json(figures, lost))
    if options.markdown:
        options.markdown.write_text(table.as_markdown(figures))
    return 1 if lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the table here as JSON")
    parser.add_argument("--markdown", type=Path, help="write it here as the README carries it")
    parser.add_argument("--only", nargs="+", default=(), help="words in the names of the parts")
    return parser.parse_args()


def _parts(size: Size, wanted: tuple[str, ...]) -> Iterator[Part]:
    """The parts that were asked for; the lab is up while those of them are taken that need it."""

    def is_wanted(name: str) -> bool:
        return not wanted or any(word in name for word in wanted)

    if any(map(is_wanted, _IN_LAB)):
        with Lab(shared=True) as lab:
            yield from (part for part in _in_lab(lab, size) if is_wanted(part[0]))
    yield from (part for part in _beside(size) if is_wanted(part[0]))


def _in_lab(lab: Lab, size: Size) -> Iterable[Part]:
    site = Site(lab)
    cost = site.install()
    measures = (
        lambda: precautions.measure_precautions(site, SMALL_MB),
        lambda: idle.measure(site, size.polls),
        lambda: load.measure(site, size, cost),
    )
    return zip(_IN_LAB, measures, strict=True)


def _beside(size: Size) -> Iterator[Part]:
    yield "fleet server", lambda: fleet.measure(size.reports)
    yield "dashboard", lambda: pages.measure(size.instances, size.rounds)
    if size.crowds:
        # In real time: twenty minutes and more.
        yield "crowd, a release", lambda: crowd.measure_release(crowd.PLANNED, 7.0, 2.0)
        yield "crowd, steady", lambda: crowd.measure_steady(crowd.TARGET, 10.0)
    yield "growth", lambda: growth.measure(size.growth)


if __name__ == "__main__":
    sys.exit(main())
