"""Faults at any effect: before it, in its middle, after it; an error of each kind, or the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.store import Store


class Killed(BaseException):
    """The agent's process ends here and now."""


KINDS: Mapping[str, Callable[[], BaseException]] = {
    "retry": lambda: RetryLater("the engine is away", code="fault.retry"),
    "failed": lambda: StepFailed("it does not work", code="fault.failed"),
    "operator": lambda: NeedsOperator("the disk is full", code="fault.operator"),
    "killed": Killed,
}
"""What may strike."""

EFFECTS = {
    "source": {"fetch"},
    "images": {"pull", "remove"},
    "stack": {
        *("up", "create", "start", "stop", "discard", "run", "down"),
        *("start_beside", "end_beside", "renew_networks"),
    },
    "rooms": {
        *("put_up", "put_up_again", "close", "open", "step_aside", "remove"),
        *("note_safe", "forget_safe"),
    },
    "database": {"dump", "restore", "replace", "make_point", "swap_back", "drop"},
    "files": {
        *("stage", "unstage", "lay", "write_override", "forget_override", "forget_backup"),
        "note_unrestorable",
    },
    "notifier": {"tell"},
}
"""The methods of each port that change the world; all others only look."""

NEVER_RAISES = "notifier."
"""The port whose contract is never to raise: only death strikes there."""


@dataclass
class Taps:
    """Counts the instants at which a fault may strike, and strikes at some of them.

    Attributes:
        strikes: number of the instant -> kind of the fault.
        named: name of an instant -> kind of the fault, each time.
        looks: number of the look (a method that changes nothing) -> kind of the fault.
        names: what the instants were, in order.
        each: called at every instant: what else goes on in the world.
        dead: whether the process has ended; nothing that it does has an effect any more.
    """

    strikes: Mapping[int, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[int, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    looked: int = 0
    each: Callable[[], None] | None = None
    dead: bool = False

    def __call__(self, name: str) -> None:
        """An instant before, in or after an effect."""
        self._breathe()
        if self.each is not None:
            self.each()
        kind = self.strikes.get(len(self.names)) or self.named.get(name)
        self.names.append(name)
        if kind == "killed" or (kind is not None and not name.startswith(NEVER_RAISES)):
            self._strike(kind)

    def look(self, name: str) -> None:  # noqa: ARG002 - who strikes by name overrides it
        """A method that only looks is called."""
        self._breathe()
        kind = self.looks.get(self.looked)
        self.looked += 1
        if kind is not None:
            self._strike(kind)

    def _breathe(self) -> None:
        if self.dead:
            raise Killed

    def _strike(self, kind: str) -> None:
        self.dead = kind == "killed"
        raise KINDS[kind]()  # noqa: RSE102 - a function that makes the error, not its class


class Tapped:
    """A port whose effects can be struck."""

    def __init__(self, name: str, port: object, taps: Taps) -> None:
        self._name, self._port, self._taps = name, port, taps

    def __getattr__(self, attribute: str) -> Callable[..., Any]:
        method = getattr(self._port, attribute)
        taps, name = self._taps, f"{self._name}.{attribute}"

        def look(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any port's method
            taps.look(name)
            return method(*args, **kwargs)

        def act(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any port's method
            taps(f"{name} before")
            result = method(*args, **kwargs)
            taps(f"{name} after")
            return result

        return act if attribute in EFFECTS.get(self._name, ()) else look


class TappedStore(Store):
    """A journal file at whose writes a fault can strike; only a full disk or death can."""

    def __init__(self, path: Path, now: datetime, taps: Taps) -> None:
        super().__init__(path, now)
        self._taps = taps

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write."""
        self._taps("journal.write before")
        with super().transaction() as connection:
            yield connection
        self._taps("journal.write after")


class TappedJournal(Journal):
    """The real journal on such a file."""

    def __init__(self, path: Path, now: datetime, taps: Taps) -> None:
        self._store = TappedStore(path, now, taps)
