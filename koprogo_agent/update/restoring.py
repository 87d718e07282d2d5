"""Whether the backups of this database can be restored, as far as a restore has found it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.ports import UNRESTORABLE, Dump, Unrestorable
from koprogo_agent.update.job import Job
from koprogo_agent.update.journal import Journal

log = structlog.get_logger()

_KEY = "unrestorable"


@dataclass(frozen=True)
class RestoreRefused:
    """The last restore that was tried: PostgreSQL refused it.

    Attributes:
        file: the backup's name.
        why: in PostgreSQL's words.
        at: when it was tried.
    """

    file: str
    why: str
    at: datetime

    @property
    def said(self) -> str:
        """In one line."""
        return f"{self.file} cannot be restored: {self.why}"


def read_refused(journal: Journal) -> RestoreRefused | None:
    """The last restore, if it was refused: newer backups of the same database fail as well."""
    return journal.get(RestoreRefused, _KEY)


def note_refused(job: Job, dump: Path, error: Unrestorable) -> None:
    """Notes that a restore was refused, with the backup and in the journal."""
    now = job.world.clock.now()
    log.warning("backup.unrestorable", file=dump.name, why=error.why)
    job.world.files.note_unrestorable(dump, error.why)
    job.journal.put(_KEY, RestoreRefused(dump.name, error.why, now))


def note_restored(job: Job, dump: Path) -> None:
    """Notes that a restore has succeeded."""
    if read_refused(job.journal) is not None:
        job.world.files.note_unrestorable(dump, "")
        job.journal.put(_KEY, None)


def require_restorable(dump: Dump) -> None:
    """Refuses a backup of which it is known that it cannot be restored.

    Raises:
        NeedsOperator: it is (code `backup.unrestorable`).
    """
    if dump.unrestorable:
        raise NeedsOperator(
            f"the backup {dump.path.name} cannot be restored: {dump.unrestorable}",
            code=UNRESTORABLE,
            advice="take another one: koprogo-agent backup list; once PostgreSQL was changed, to"
            f" try it again: koprogo-agent backup restore {dump.path.name} --although-unrestorable",
        )
