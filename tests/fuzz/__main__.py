"""`python -m tests.fuzz READER [options of libFuzzer]`: atheris on one of the readers."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Fuzzes until it finds something, or until its options say that it is enough."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["koprogo_agent", "tests.fuzz"]):
        readers = import_module("tests.fuzz.readers")
        known = {**readers.READERS, **import_module("tests.fuzz.reports").READERS}
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        sys.exit(f"usage: python -m tests.fuzz {{{','.join(known)}}} [-max_total_time=60]")
    name = sys.argv.pop(1)
    corpus = Path(".hypothesis", "atheris", name)  # what git ignores already
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(known[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)

    def once(raw: bytes) -> None:
        readers.judged(known[name], raw)
        readers.judged(known[name], readers.canonical(raw))

    atheris.Setup([*sys.argv, str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
