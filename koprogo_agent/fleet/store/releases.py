"""The releases that the association has named to its fleet."""

from __future__ import annotations

from sqlalchemy import Engine, select

from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.fleet.domain.releases import Release
from koprogo_agent.fleet.store import schema
from koprogo_agent.fleet.store.database import upsert


class Releases:
    """Reads and writes them.

    Attributes:
        named: all of them, newest published first, as they were last read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = upsert(engine)
        self.named: tuple[Release, ...] = ()
        self.read()

    def read(self) -> None:
        """Reads them anew: another process may have named one."""
        table = schema.release
        query = select(table).order_by(table.c.published.desc(), table.c.tag)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        self.named = tuple(Release(row.tag, row.published, row.security) for row in rows)

    def name(self, release: Release) -> None:
        """Names one, or says otherwise of one that was named before.

        Raises:
            Refused: its name is not that of a release (code `version.…`).
        """
        parse_tag(release.tag)
        row = {
            "tag": release.tag,
            "published": release.published,
            "security": release.security,
        }
        put = self._insert(schema.release).values(row)
        with self._engine.begin() as connection:
            connection.execute(put.on_conflict_do_update(index_elements=["tag"], set_=row))
        self.read()

    def withdraw(self, tag: str) -> bool:
        """Takes a name back; tells whether there was one."""
        table = schema.release
        with self._engine.begin() as connection:
            gone = connection.execute(table.delete().where(table.c.tag == tag))
        self.read()
        return gone.rowcount > 0

    def get(self, tag: str) -> Release | None:
        """The release of this name, or None where it was not named."""
        return next((one for one in self.named if one.tag == tag), None)

    @property
    def newest(self) -> str | None:
        """Tag of the one that was published last, or None."""
        return self.named[0].tag if self.named else None
