"""Every instance as it is now, and how many there are of each kind: always counted, never anew.

At 100,000 instances nobody can count them whenever a page is looked at. So each report moves its
instance from one kind to another, and time moves those from whom nothing comes.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator

from koprogo_agent.fleet.census import Census, kind_of
from koprogo_agent.fleet.instances import Instance, Outage, Presence


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
        self._instances: dict[str, Instance] = {}
        self._kinds: dict[str, Census] = {}
        self._groups: defaultdict[Census, set[str]] = defaultdict(set)
        self._shared: dict[Census, Census] = {}
        # Of each presence, the one that was heard of longest ago comes first.
        self._lines = {each: OrderedDict[str, None]() for each in Presence}
        for one in sorted(instances, key=lambda one: one.seen):
            self.put(one, now)

    def __len__(self) -> int:
        return len(self._instances)

    def __iter__(self) -> Iterator[Instance]:
        return iter(list(self._instances.values()))

    def get(self, name: str) -> Instance | None:
        """The instance of this name, or None."""
        return self._instances.get(name)

    def kind(self, name: str) -> Census:
        """The kind of an instance that is known."""
        return self._kinds[name]

    def put(self, instance: Instance, now: int) -> None:
        """Takes in what is known of an instance from now on."""
        self._instances[instance.id] = instance
        if instance.cloned is not None:
            self.cloned.add(instance.id)
        self._move(instance, instance.presence(now, self._interval, self._outage))

    def forget(self, name: str) -> None:
        """Knows nothing of an instance any more."""
        self.cloned.discard(name)
        if self._instances.pop(name, None) is not None:
            self._leave(name, self._kinds.pop(name))

    def pass_time(self, now: int) -> None:
        """Moves those from whom nothing has come for longer than their kind allows."""
        for presence, line in self._lines.items():
            while line:
                one = self._instances[next(iter(line))]
                found = one.presence(now, self._interval, self._outage)
                if found is presence:
                    break
                self._move(one, found)

    def counts(self) -> dict[Census, int]:
        """How many there are of each kind."""
        return {kind: len(group) for kind, group in list(self._groups.items()) if group}

    def names(self, wanted: Callable[[Census], bool]) -> Iterator[str]:
        """The names of those of some kinds, in no order."""
        for kind, group in list(self._groups.items()):
            if wanted(kind):
                yield from list(group)

    def last_heard(self) -> int | None:
        """When the last report of anybody came, or None."""
        line = self._lines[Presence.REPORTING]
        return self._instances[next(reversed(line))].seen if line else None

    def _move(self, one: Instance, presence: Presence) -> None:
        kind = kind_of(one, presence)
        kind = self._shared.setdefault(kind, kind)
        before = self._kinds.get(one.id)
        if before is not kind:
            if before is not None:
                self._leave(one.id, before)
            self._kinds[one.id] = kind
            self._groups[kind].add(one.id)
            self.revision += 1
        line = self._lines[presence]
        line[one.id] = None
        line.move_to_end(one.id)

    def _leave(self, name: str, kind: Census) -> None:
        self._groups[kind].discard(name)
        del self._lines[kind.presence][name]
        self.revision += 1
