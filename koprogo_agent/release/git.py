"""Runs git in a clone, as its owner would, but for what must never happen by the way.

Remotes, credentials and identity are the owner's. Nothing here asks on a terminal, touches the work
tree or the index, or runs a hook of the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from koprogo_agent import process
from koprogo_agent.errors import NeedsOperator, RetryLater

_SECONDS = 60.0
_LIMIT = 256 << 20
_MOST_WORDS = 300


class Object(NamedTuple):
    """A git object: its type and its content."""

    kind: str
    content: bytes


class Git:
    """Git in one folder."""

    def __init__(self, folder: Path) -> None:
        """Prepares; nothing is run yet."""
        self._folder = folder

    @classmethod
    def around(cls, folder: Path) -> Git:
        """Git at the top of the clone that a folder lies in.

        Raises:
            NeedsOperator: it lies in none (code `git.no_clone`).
        """
        done = cls(folder).run("rev-parse", "--show-toplevel")
        if done.returncode != 0:
            raise NeedsOperator(
                f"{folder} is not inside a git clone of the product",
                code="git.no_clone",
                advice="go to your clone (cd FOLDER), and type the same again",
            )
        return cls(Path(done.stdout.decode().strip()))

    @property
    def folder(self) -> Path:
        """Where it runs."""
        return self._folder

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        timeout: float = _SECONDS,
        env: Mapping[str, str] | None = None,
    ) -> process.Completed:
        """Runs a command to its end, whatever comes of it.

        Raises:
            RetryLater: it did not end in time, or printed without end (code `git.limit`).
        """
        environment = {**os.environ, **_FIXED, **(env or {})}
        try:
            return process.run(
                ["git", "-c", "core.hooksPath=/dev/null", *words],
                env=environment,
                timeout=timeout,
                limit_output=_LIMIT,
                cwd=self._folder,
                stdin=stdin,
            )
        except process.Overrun as error:
            raise RetryLater(f"git {words[0]} was ended: {error}", code="git.limit") from error

    def ask(self, *words: str, stdin: bytes = b"") -> bytes:
        """What a command printed that must succeed.

        Raises:
            NeedsOperator: it failed (code `git.failed`).
        """
        done = self.run(*words, stdin=stdin)
        if done.returncode != 0:
            raise NeedsOperator(
                f"git {words[0]} failed: {last_words(done)}",
                code="git.failed",
                advice=f"see what git itself says, in {self._folder}: git status",
            )
        return done.stdout

    def line(self, *words: str, stdin: bytes = b"") -> str:
        """The one line that a command printed which must succeed."""
        return self.ask(*words, stdin=stdin).decode(errors="replace").strip()

    def objects(self, names: Sequence[str]) -> list[Object | None]:
        """Objects in the order of their ids; None where absent."""
        rest = self.ask("cat-file", "--batch", stdin=_lines(names)) if names else b""
        found: list[Object | None] = []
        for _ in names:
            head, _, rest = rest.partition(b"\n")
            words = head.decode(errors="replace").split(" ")
            if words[-1] == "missing":
                found.append(None)
                continue
            size = int(words[2])
            found.append(Object(words[1], rest[:size]))
            rest = rest[size + 1 :]
        return found


_FIXED = {
    "LC_ALL": "C",
    "GIT_NO_REPLACE_OBJECTS": "1",  # what is signed is what the objects really are
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` leaves the index as it is
    "GIT_TERMINAL_PROMPT": "0",
}


def last_words(done: process.Completed) -> str:
    """The end of what git complained of, on one line."""
    said = done.stderr.decode(errors="replace").strip().split("\n")
    telling = [one.strip() for one in said if not one.startswith("hint:")]
    return " ".join(telling)[-_MOST_WORDS:] or f"it exited with {done.returncode}"


def _lines(words: Iterable[str]) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()
