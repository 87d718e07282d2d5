"""What older versions wrote otherwise in the configuration, and how it is read today.

The agent updates itself, and the operator's file stays as it was written: the daemon may not change
it, and nobody logs in to. So whoever renames, moves, removes or respells a key adds a line at the
end of `CHANGES`, and none is ever taken out. What a line calls old must be wrong in a document of
today: each of them is carried forward at every start, and none may be mistaken for an older one.

A default cannot be carried: a file that leaves a key out says nothing of the version that it was
written for. So the default of a version that was given out never changes its meaning; a better one
gets a key of its own. (`stack.image_tag` was `{tag}` before 0.1.0, the first version given out.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Document = Mapping[str, Any]


class Key(NamedTuple):
    """Where a value is in the file; a section that is a list, such as `[[probe]]`, has none."""

    section: str
    name: str

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"


@dataclass(frozen=True)
class Edit:
    """What makes one key of an older document one of today.

    Attributes:
        key: where it was written.
        now: where it belongs; None: nowhere any more.
        value: what it is there.
        version: of the agent since which it is so.
        said: the same in words, without the value, which may be a secret.
    """

    key: Key
    now: Key | None
    value: Any
    version: str
    said: str


@dataclass(frozen=True)
class Moved:
    """A key that has another name, or belongs to another section."""

    version: str
    key: Key
    now: Key

    def edit(self, value: object) -> Edit | None:
        """What to do with the value that is there."""
        said = f"{self.key} is called {self.now} since {self.version}"
        return Edit(self.key, self.now, value, self.version, said)


@dataclass(frozen=True)
class Removed:
    """A key that there is no more.

    Attributes:
        why: what became of that which it said, for the person who wrote it.
    """

    version: str
    key: Key
    why: str

    def edit(self, _value: object) -> Edit | None:
        """What to do with the value that is there."""
        said = f"{self.key} is not heeded since {self.version}: {self.why}"
        return Edit(self.key, None, None, self.version, said)


@dataclass(frozen=True)
class Respelt:
    """A key whose values are written otherwise.

    Attributes:
        why: how, for the person who wrote it.
        is_old: whether a value is written as it was before; must bear values of any type.
        respell: the same value as it is written today.
    """

    version: str
    key: Key
    why: str
    is_old: Callable[[Any], bool]
    respell: Callable[[Any], Any]

    def edit(self, value: object) -> Edit | None:
        """What to do with the value that is there; None where it is one of today."""
        if not self.is_old(value):
            return None
        said = f"{self.key} is read otherwise since {self.version}: {self.why}"
        return Edit(self.key, self.key, self.respell(value), self.version, said)


Change = Moved | Removed | Respelt


@dataclass(frozen=True)
class Carried:
    """A document carried forward.

    Attributes:
        document: as it is written today.
        edits: what was done to it, in order.
        conflicts: faults: the older form and that of today are both there.
    """

    document: dict[str, Any]
    edits: list[Edit] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def _is_part_of_a_second(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < 1


CHANGES: tuple[Change, ...] = (
    Respelt(
        "0.1.0",
        Key("source", "interval"),
        "polls are at least one second apart, and what is shorter counts as one",
        is_old=_is_part_of_a_second,
        respell=lambda _value: 1,
    ),
)
"""In the order in which they were made, and in which they are carried out."""


def carry(document: Document, changes: Iterable[Change] = CHANGES) -> Carried:
    """A document of any older version as one of today; one of today comes back as it is.

    What no change explains is left alone, for whoever looks for faults.
    """
    carried = Carried(dict(document))
    for change in changes:
        section = carried.document.get(change.key.section)
        if not isinstance(section, dict) or change.key.name not in section:
            continue
        edit = change.edit(section[change.key.name])
        if edit is not None:
            _carry_out(edit, carried)
    return carried


def _carry_out(edit: Edit, carried: Carried) -> None:
    """Makes new sections of those that it changes: the given document stays as it was."""
    document = carried.document
    target = document.get(edit.now.section, {}) if edit.now else {}
    if not isinstance(target, dict):
        return  # a fault in itself, and no section to put anything in
    left = {name: one for name, one in document[edit.key.section].items() if name != edit.key.name}
    document[edit.key.section] = left
    if edit.now and edit.now != edit.key and edit.now.name in target:
        carried.conflicts.append(f"{edit.said}, and both are given; take {edit.key} out")
        return
    if edit.now:
        there = document.get(edit.now.section, {})
        document[edit.now.section] = {**there, edit.now.name: edit.value}
    if not document[edit.key.section]:
        # It may be a section of which today knows nothing.
        del document[edit.key.section]
    carried.edits.append(edit)
