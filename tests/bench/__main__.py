"""Measures everything and prints one table; `--quick` is for work on the benchmark itself."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console

from koprogo_agent.errors import AgentError
from tests.bench import crowd, fleet, growth, idle, pages, schema, table, updates
from tests.bench.figure import Figure
from tests.bench.site import Site
from tests.lab.lab import Lab
from tests.lab.processes import LabError

Part = tuple[str, Callable[[], Iterable[Figure]]]

SMALL_MB, LARGE_MB = 10, 1_000
_IN_LAB = (
    "updates",
    "patient",
    "idle daemon",
    "precautions, little data",
    "precautions, much data",
    "schema",
)


def main() -> int:
    """0 when everything could be measured, whatever came out."""
    options = _options()
    console = Console()
    figures: list[Figure] = []
    lost: dict[str, str] = {}
    began = time.monotonic()
    for name, part in _parts(options):
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
    parser.add_argument("--quick", action="store_true", help="few rounds, little data")
    parser.add_argument("--only", nargs="+", default=(), help="words in the names of the parts")
    return parser.parse_args()


def _parts(options: argparse.Namespace) -> Iterator[Part]:
    """The parts that were asked for; the lab is up while those of them are taken that need it."""
    quick: bool = options.quick
    wanted: tuple[str, ...] = tuple(options.only)

    def is_wanted(name: str) -> bool:
        return not wanted or any(word in name for word in wanted)

    if any(map(is_wanted, _IN_LAB)):
        with Lab(shared=True) as lab:
            yield from (part for part in _in_lab(lab, quick=quick) if is_wanted(part[0]))
    yield from (part for part in _beside(quick=quick) if is_wanted(part[0]))


def _in_lab(lab: Lab, *, quick: bool) -> Iterable[Part]:
    site = Site(lab)
    cost = site.install()
    rounds = 2 if quick else 5
    large = 100 if quick else LARGE_MB
    measures = (
        lambda: updates.measure(site, rounds, cost),
        lambda: updates.measure_patient(site),
        lambda: idle.measure(site, 5 if quick else 20),
        lambda: schema.measure_precautions(site, SMALL_MB),
        lambda: schema.measure_precautions(site, large),
        lambda: schema.measure(site, 1 if quick else 3, large),
    )
    return zip(_IN_LAB, measures, strict=True)


def _beside(*, quick: bool) -> Iterator[Part]:
    yield "fleet server", lambda: fleet.measure(500 if quick else 3_000)
    yield "dashboard", lambda: pages.measure(2_000 if quick else 100_000, 3 if quick else 11)
    yield from _crowds(quick=quick)
    yield "growth", lambda: growth.measure(1_500 if quick else growth.POLLS)


def _crowds(*, quick: bool) -> Iterator[Part]:
    """In real time: twenty minutes and more, or a little of each."""
    planned, minutes, at = (600, 3.6, 0.2) if quick else (crowd.PLANNED, 7.0, 2.0)
    target, steady = (2_000, 2.0) if quick else (crowd.TARGET, 10.0)
    yield "crowd, a release", lambda: crowd.measure_release(planned, minutes, at)
    yield "crowd, steady", lambda: crowd.measure_steady(target, steady)


if __name__ == "__main__":
    sys.exit(main())
