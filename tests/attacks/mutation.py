"""A rule taken out of the code, and the tests that must notice: rows for `tests.attacks.proof`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """A text of a file, which is there exactly once, and what takes its place."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Exchanges it below a folder.

        Raises:
            LookupError: it is not there exactly once.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise LookupError(f"{self.file} holds {text.count(self.old)} times: {self.old!r}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Mutation:
    """One rule taken out.

    Attributes:
        name: of the rule.
        tests: each of them must fail without it.
        edits: what takes it out, wherever it is written.
    """

    name: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]


def without(name: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    """A rule that one edit takes out; paths are below `koprogo_agent` and `tests`."""
    return also(name, ((file, old, new),), *tests)


def also(name: str, edits: tuple[tuple[str, str, str], ...], *tests: str) -> Mutation:
    """A rule that is written in more than one place."""
    made = tuple(Edit(f"koprogo_agent/{file}.py", old, new) for file, old, new in edits)
    return Mutation(name, tuple(f"tests/{test}" for test in tests), made)


def nothing(condition: str) -> str:
    """A condition that never holds, in the place of one that did."""
    return f"if {condition} and __debug__ is None:"


def never(name: str, file: str, condition: str, *tests: str) -> Mutation:
    """A rule that refuses under a condition, and no longer does."""
    return without(name, file, f"if {condition}:", nothing(f"({condition})"), *tests)
