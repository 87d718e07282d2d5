"""What came of each release: who came to which end with it first, counted as it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Engine, func, select

from koprogo_agent.fleet.domain.outcomes import End, Tally
from koprogo_agent.fleet.domain.releases import Release
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.database import upsert

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class Outcomes:
    """Counts them, and reads what was counted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = upsert(engine)

    def keep(self, connection: Connection, ends: Iterable[End]) -> None:
        """Counts the first end of each kind that an instance comes to with a release."""
        latest_first = sorted(ends, key=lambda end: end.at, reverse=True)
        firsts = {end.key: end for end in latest_first}
        if not firsts:
            return
        table = schema.arrival
        put = self._insert(table).on_conflict_do_nothing()
        names = ("instance", "tag", "outcome")
        rows = [dict(zip(names, key, strict=True), at=firsts[key].at) for key in sorted(firsts)]
        new = connection.execute(
            put.returning(table.c.instance, table.c.tag, table.c.outcome), rows
        )
        self._count(connection, Counter(firsts[tuple(row)].tally for row in new))

    def _count(self, connection: Connection, counted: Mapping[Tally, int]) -> None:
        table = schema.tally
        add = self._insert(table)
        add = add.on_conflict_do_update(
            index_elements=[column.name for column in table.primary_key],
            set_={"instances": table.c.instances + add.excluded.instances},
        )
        rows = [{**one._asdict(), "instances": counted[one]} for one in sorted(counted)]
        if rows:
            connection.execute(add, rows)

    def of(self, *tags: str) -> dict[str, dict[Tally, int]]:
        """Each tag -> what came of that release, in the order of time."""
        table = schema.tally
        found = {tag: dict[Tally, int]() for tag in tags}
        query = select(table).where(table.c.tag.in_(tags)).order_by(table.c.at)
        with self._engine.connect() as connection:
            for *kind, count in connection.execute(query):
                tally = Tally(*kind)
                found[tally.tag][tally] = count
        return found

    def coarsen(self, release: Release, now: int) -> None:
        """Counts together what came late: by minutes after an hour, by hours after a day.

        How fast a release came is known to ten seconds; how slowly it came to the last ones does
        not have to be, and a chart of it stays small.
        """
        table = schema.tally
        of_tag = table.c.tag == release.tag
        for after, span in ((_HOUR, _MINUTE), (_DAY, _HOUR)):
            late = table.c.at.between(release.published + after, now - span)
            uneven = table.c.at % span != 0
            with self._engine.begin() as connection:
                gone = table.delete().where(of_tag, late, uneven).returning(table)
                counted = Counter[Tally]()
                for *kind, count in connection.execute(gone).all():
                    tally = Tally(*kind)
                    counted[tally._replace(at=tally.at - tally.at % span)] += count
                self._count(connection, counted)

    def since(self, at: int) -> dict[Tally, int]:
        """What came of all releases since a moment; of each kind together, at its first moment."""
        table = schema.tally
        kinds = (table.c.tag, table.c.outcome)
        rest = (table.c.step, table.c.code, table.c.verified)
        query = (
            select(*kinds, func.min(table.c.at), *rest, func.sum(table.c.instances))
            .where(table.c.at >= at)
            .group_by(*kinds, *rest)
        )
        with self._engine.connect() as connection:
            return {Tally(*row[:-1]): row[-1] for row in connection.execute(query)}
