"""The text of a configuration of today, made of an older one: edited where it says otherwise.

Comments, order and everything else stay as the operator wrote them. Of tomlkit only the entries of
its tables are used: a table that knows its keys would put new ones behind the heading of the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import tomlkit
from tomlkit.container import Container
from tomlkit.items import AbstractTable, Comment, InlineTable, Item, Table
from tomlkit.items import Key as Written

from koprogo_agent.settings.changes import Edit, Key

Entry = tuple[Written | None, Item]


@dataclass(frozen=True)
class _Place:
    """Where a key is written.

    Attributes:
        body: the entries of its section: keys with their values, comments, empty lines.
        index: its own among them.
        has_lines: whether they have lines of their own, as in all but `section = {…}`.
    """

    body: list[Entry]
    index: int
    has_lines: bool

    @property
    def entry(self) -> tuple[Written, Item]:
        """The key as it is written, and its value."""
        name, item = self.body[self.index]
        assert name is not None  # noqa: S101 - the index is that of a key
        return name, item

    @property
    def first(self) -> int:
        """The index of the first of the comments directly above it, or its own."""
        first = self.index
        while first and isinstance(self.body[first - 1][1], Comment):
            first -= 1
        return first


def rewrite(text: str, edits: Iterable[Edit]) -> str:
    """The text after these edits, which must be those that `carry` found for it."""
    document = tomlkit.parse(text if text.endswith("\n") else f"{text}\n")
    for edit in edits:
        for place in _places(document, edit.key):
            if edit.now is None:
                _comment_out(edit, place)
                continue
            _write(edit.now, edit, place)
            if edit.now.section != edit.key.section:
                _move(edit.now.section, place, document)
        _drop_empty(document, edit.key.section)
    return document.as_string()


def _places(document: Container, key: Key) -> Iterator[_Place]:
    for table in _tables(document, key.section):
        for index, (name, _item) in enumerate(table.value.body):
            if name is not None and name.key == key.name:
                yield _Place(table.value.body, index, not isinstance(table, InlineTable))
                break


def _tables(document: Container, section: str) -> Iterator[AbstractTable]:
    """The parts of a section, written as `[section]`, `section = {…}` or `section.key = …`."""
    for name, item in document.body:
        if name is not None and name.key == section and isinstance(item, AbstractTable):
            yield item


def _write(key: Key, edit: Edit, place: _Place) -> None:
    """Gives the key its name and its value of today; the comment on its line stays."""
    name, item = place.entry
    if name.key != key.name:
        spaces = name.as_string().removeprefix(name.as_string().rstrip())
        name, spelt = tomlkit.key(key.name), f"{spaces}{name.sep}"
        name.sep = spelt
    if item.unwrap() != edit.value:
        item, trivia = tomlkit.item(edit.value), item.trivia
        vars(item.trivia).update(vars(trivia))
    place.body[place.index] = (name, item)


def _comment_out(edit: Edit, place: _Place) -> None:
    """Leaves the line that is not heeded as a comment, with the reason above it."""
    name, item = place.entry
    line = f"{name.as_string()}{name.sep}{item.as_string()}{item.trivia.comment_ws}"
    lines = [edit.said, *f"{line}{item.trivia.comment}".splitlines()]
    comments: list[Entry] = [(None, tomlkit.comment(one)) for one in lines]
    # In `section = {…}` there can be none.
    place.body[place.index : place.index + 1] = comments if place.has_lines else []


def _move(section: str, place: _Place, document: Container) -> None:
    """Puts a key into another section, behind its last key, with the comments directly above it."""
    entries = place.body[place.first : place.index + 1]
    del place.body[place.first : place.index + 1]
    table = next(_tables(document, section), None)
    if table is None:
        table = tomlkit.table()
        document.body.append((None, tomlkit.nl()))
        document.body.append((tomlkit.key(section), table))
    target = table.value.body
    behind = max((index for index, (name, _) in enumerate(target) if name is not None), default=-1)
    target[behind + 1 : behind + 1] = entries


def _drop_empty(document: Container, section: str) -> None:
    """Takes out a section without keys, which today may not know; its comments stay."""
    body = document.body
    for index in reversed(range(len(body))):
        name, item = body[index]
        if name is None or name.key != section or not isinstance(item, AbstractTable):
            continue
        if all(inner is None for inner, _ in item.value.body):
            said = item.trivia.comment.removeprefix("#").strip()
            heading: list[Entry] = [(None, tomlkit.comment(said))] if said else []
            left = item.value.body if isinstance(item, Table) else []
            body[index : index + 1] = heading + left
