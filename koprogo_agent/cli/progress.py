"""How an operation is shown while it goes on: a line a step, the present one alive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from koprogo_agent.cli import render, words
from koprogo_agent.domain.duration import span
from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure
from koprogo_agent.update.operation import Facts

_FRAMES = 8
_NAME, _TIME = 13, 10


@dataclass(frozen=True)
class Done:
    """An action that was carried out, or failed, for the account at the end."""

    action: Action
    seconds: float
    facts: Facts
    failure: Failure | None = None


@dataclass
class Progress:
    """A watcher that shows finished steps as lines, and remembers them.

    Attributes:
        present: the action that is being carried out, or None.
        last: the action that was begun last, or None before the first.
        done: the actions that were carried out, or failed.
    """

    console: Console
    present: Action | None = None
    last: Action | None = None
    done: list[Done] = field(default_factory=list)
    began: float = 0.0

    def begins(self, action: Action, tag: str) -> None:
        """A slice of the soak begins the same action again: its time runs on."""
        if self.last is None:
            self.say(tag, "bold")
        self.last = action
        if action != self.present:
            self.present, self.began = action, time.monotonic()

    def goes_on(self, note: str, done: int, total: int) -> None:
        """Lines on paper do not move."""

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """Prints what the step learned."""
        took = max(seconds, time.monotonic() - self.began)
        self.present = None
        self.done.append(Done(action, took, facts))
        self._tell("✓", "green", action, took, words.learned(action, facts))

    def broke(self, action: Action, failure: Failure) -> None:
        """Prints why the step failed."""
        took = time.monotonic() - self.began
        self.done.append(Done(action, took, {}, failure))
        self.began = time.monotonic()
        mark, style = ("…", "yellow") if failure.transient else ("✗", "red")
        self._tell(mark, style, action, took, failure.message)

    def say(self, text: str, style: str = "") -> None:
        """Prints a line between the steps."""
        self.console.print(render.styled(text, style), soft_wrap=True)

    def _tell(self, mark: str, style: str, action: Action, took: float, said: str) -> None:
        render.beside(self.console, _head(mark, style, action, took), render.styled(said))


@dataclass
class LiveProgress(Progress):
    """The same on a terminal: the present step has a spinner, its time, and its bytes."""

    note: str = ""
    bytes_done: int = 0
    bytes_total: int = 0
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))

    def begins(self, action: Action, tag: str) -> None:
        """Another step has nothing to say yet."""
        if action != self.present:
            self.note, self.bytes_done, self.bytes_total = "", 0, 0
        super().begins(action, tag)

    def goes_on(self, note: str, done: int, total: int) -> None:
        """Keeps the newest; the terminal is drawn by the clock."""
        self.note, self.bytes_done, self.bytes_total = note, done, total

    def __rich__(self) -> Group:
        """The present step."""
        action = self.present
        if action is None:
            return Group()
        took = time.monotonic() - self.began
        frame = self.spinner.render(time.monotonic())
        mark = frame.plain if isinstance(frame, Text) else "·"
        row = Text.assemble(_head(mark, "cyan", action, took), render.styled(self._moving(took)))
        row.no_wrap, row.overflow = True, "ellipsis"
        return Group(row)

    def _moving(self, took: float) -> str:
        if not self.bytes_done:
            return self.note
        of = f" of {words.size(self.bytes_total)}" if self.bytes_total > self.bytes_done else ""
        rate = words.rate(self.bytes_done, took)
        return f"{self.note}  {words.size(self.bytes_done)}{of}, {rate}"


class Quiet(Progress):
    """Remembers, and prints nothing: standard output belongs to a program."""

    def say(self, text: str, style: str = "") -> None:
        """Nothing."""

    def _tell(self, mark: str, style: str, action: Action, took: float, said: str) -> None:
        """Nothing."""


def _head(mark: str, style: str, action: Action, took: float) -> Text:
    return Text.assemble(
        "  ",
        (mark, style),
        f" {action!s:<{_NAME}}",
        (f"{span(took):>{_TIME}}  ", "dim"),
    )


@contextmanager
def watching(*, silent: bool) -> Iterator[Progress]:
    """The watcher for where the verb was typed."""
    console = render.console()
    if silent:
        yield Quiet(console)
    elif not console.is_terminal:
        yield Progress(console)
    else:
        live = LiveProgress(console)
        with Live(live, console=console, refresh_per_second=_FRAMES, transient=True):
            yield live
