"""Every instance as it is now, and how many there are of each kind: always counted, never anew.

At 100,000 instances nobody can count them whenever a page is looked at. So each report moves its
instance from one kind to another, and time moves those from whom nothing comes.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from koprogo_agent.fleet.domain.census import Census, kind_of
from koprogo_agent.fleet.domain.instances import Instance, Outage, Presence

_FEW = 8
"""Where less than this part of all is wanted, they are looked up one by one."""


class Row(Struct, frozen=True, gc=False):
    """An instance, and the kind as which it is counted."""

    instance: Instance
    kind: Census


class Known:
    """The instances of a fleet.

    Attributes:
        revision: rises with every change of what is counted.
        cloned: names of those of whose key a second machine was seen.
    """

    def __init__(
        self,
        instances: Iterable[Instance],
        interval: int,
        now: int,
        outage: Outage | None = None,
    ) -> None:
        """Begins with what was known before.

        Args:
            instances: all of them.
            interval: seconds from one report to the next.
            now: the moment.
            outage: the last time in which no server listened, or None.
        """
        self.revision = 0
        self.cloned: set[str] = set()
        self._interval = interval
        self._outage = outage
        self._there: dict[str, Row] = {}
        self._groups: defaultdict[Census, set[str]] = defaultdict(set)
        self._shared: dict[Census, Census] = {}
        # Of each presence, the one that was heard of longest ago comes first.
        self._lines = {each: OrderedDict[str, None]() for each in Presence}
        for one in sorted(instances, key=lambda one: one.seen):
            self.put(one, now)

    def __len__(self) -> int:
        return len(self._there)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._there.values()))

    def get(self, name: str) -> Instance | None:
        """The instance of this name, or None."""
        row = self._there.get(name)
        return row.instance if row else None

    def row(self, name: str) -> Row | None:
        """The same, with its kind."""
        return self._there.get(name)

    def put(self, instance: Instance, now: int) -> None:
        """Takes in what is known of an instance from now on."""
        if instance.cloned is None:
            self.cloned.discard(instance.id)
        else:
            self.cloned.add(instance.id)
        self._move(instance, instance.presence(now, self._interval, self._outage))

    def forget(self, name: str) -> None:
        """Knows nothing of an instance any more."""
        self.cloned.discard(name)
        row = self._there.pop(name, None)
        if row is not None:
            self._leave(name, row.kind)

    def pass_time(self, now: int) -> None:
        """Moves those from whom nothing has come for longer than their kind allows."""
        for presence, line in self._lines.items():
            while line:
                one = self._there[next(iter(line))].instance
                found = one.presence(now, self._interval, self._outage)
                if found is presence:
                    break
                self._move(one, found)

    def counts(self) -> dict[Census, int]:
        """How many there are of each kind."""
        return {kind: len(group) for kind, group in list(self._groups.items()) if group}

    def some(self, wanted: Callable[[Census], bool]) -> Iterator[Row]:
        """Those of some kinds, in no order."""
        kinds = {kind for kind in list(self._groups) if wanted(kind)}
        if sum(len(self._groups[kind]) for kind in kinds) * _FEW < len(self):
            names = [name for kind in kinds for name in list(self._groups[kind])]
            yield from filter(None, map(self._there.get, names))
        else:  # in the order of memory, which is many times as fast as by name
            yield from (row for row in self if row.kind in kinds)

    def last_heard(self) -> int | None:
        """When the last report of anybody came, or None."""
        line = self._lines[Presence.REPORTING]
        return self._there[next(reversed(line))].instance.seen if line else None

    def _move(self, one: Instance, presence: Presence) -> None:
        kind = kind_of(one, presence)
        kind = self._shared.setdefault(kind, kind)
        before = self._there.get(one.id)
        self._there[one.id] = Row(one, kind)
        if before is None or before.kind is not kind:
            if before is not None:
                self._leave(one.id, before.kind)
            self._groups[kind].add(one.id)
            self.revision += 1
        line = self._lines[presence]
        line[one.id] = None
        line.move_to_end(one.id)

    def _leave(self, name: str, kind: Census) -> None:
        self._groups[kind].discard(name)
        del self._lines[kind.presence][name]
        self.revision += 1
