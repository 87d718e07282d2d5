"""Backups besides those of an update: daily, by hand; and whose data they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.errors import AgentError, NeedsOperator, Refused
from koprogo_agent.ports import DatabaseAt, Dump
from koprogo_agent.settings import Settings
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.retention import DAILY, MANUAL, superfluous
from koprogo_agent.update.world import Watcher, World

log = structlog.get_logger()

_ROOM = 1.2
"""A dump is smaller than its database; with this, a full disk is noticed before, not in it."""


@dataclass(frozen=True)
class Backups:
    """Makes and keeps backups."""

    world: World
    settings: Settings
    journal: Journal
    watcher: Watcher

    def make(self, sort: str) -> Dump:
        """Dumps the database, reads the dump whole, and forgets what is superfluous.

        Args:
            sort: what it is made for, `daily` or `manual`.

        Raises:
            NeedsOperator: there is too little disk.
            RetryLater: the database does not answer.
        """
        at = self._at
        folder = self.settings.backup.directory
        needed = int(self.world.database.size(at) * _ROOM)
        if self.world.files.free_bytes(folder) < needed:
            raise NeedsOperator(
                f"a backup may need {needed // 1024**2} MB, more than is free at {folder}",
                code="disk.too_little",
                advice="free some space there, or set backup.directory to a larger disk",
            )
        installed, now = self.journal.installed, self.world.clock.now()
        # With the instant: a second one of the same label would take the place of the first.
        label = f"{sort}-{now:%Y%m%dT%H%M%S}-{installed.tag if installed else 'none'}"
        target = self.world.files.backup_path(label)
        dump = self.world.database.dump(
            at, target, lambda size: self.watcher.goes_on("dump", size, 0)
        )
        self.verify(dump)
        self.journal.record("backup.made", now, path=str(dump.path), bytes=dump.size)
        log.info("backup.made", path=str(dump.path), bytes=dump.size)
        for old in superfluous(self.world.files.backups(), self.settings.backup):
            self.world.files.forget_backup(old.path)
        return dump

    def verify(self, dump: Dump) -> None:
        """Reads a dump whole.

        Raises:
            StepFailed: it is damaged.
            RetryLater: the database does not answer.
        """
        self.world.database.verify(
            self._at, dump.path, lambda size: self.watcher.goes_on("verify", size, dump.size)
        )

    def by_hand(self) -> Dump:
        """A backup that the operator asked for; it is kept until the operator removes it."""
        return self.make(MANUAL)

    def daily_is_due(self) -> bool:
        """Whether the last appointed hour has passed without a daily backup."""
        at = self.settings.backup.daily_at
        if at is None or self.journal.installed is None:
            return False
        now = self.world.clock.now().astimezone()
        appointed = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        if appointed > now:
            appointed -= timedelta(days=1)
        last = self.journal.get(datetime, "daily_backup")
        # A backup from the future was made while the clock was wrong; it says nothing.
        return last is None or not appointed <= last <= now

    def daily(self) -> None:
        """Makes the daily backup if it is due; what fails now is tried at the next tick."""
        if not self.daily_is_due():
            return
        try:
            self.make(DAILY)
        except AgentError as error:
            log.error("backup.failed", code=error.code, why=error.message)
            self._note_failure(error)
            return
        self.journal.put("daily_backup", self.world.clock.now())
        self.journal.put("backup_failure", None)

    @property
    def _at(self) -> DatabaseAt:
        return DatabaseAt(self.settings.stack.project, self.settings.database.service)

    def _note_failure(self, error: AgentError) -> None:
        if self.journal.get(str, "backup_failure") != error.code:
            self.world.notifier.tell("KoproGo: no backup", f"{error.message}\n{error.advice}")
        self.journal.put("backup_failure", error.code)

    def find(self, name: str) -> Dump:
        """A kept backup by its path or file name.

        Raises:
            Refused: there is no such backup.
        """
        for dump in self.world.files.backups():
            if name in {str(dump.path), dump.path.name}:
                return dump
        raise Refused(
            f"there is no backup {name}",
            code="backup.unknown",
            advice="see which there are: koprogo-agent backup list",
        )

    def release_of(self, dump: Dump) -> Deployment:
        """The deployment whose data a backup holds: only with it can the data be put back.

        Raises:
            Refused: neither the installed nor the last good deployment made it.
        """
        for deployment in (self.journal.installed, self.journal.previous):
            if deployment is not None and dump.label.endswith(f"-{deployment.tag}"):
                return deployment
        raise Refused(
            f"{dump.path.name} holds the data of a release that is not kept here any more",
            code="backup.release",
            advice="install that release first, or restore by hand with pg_restore",
        )
