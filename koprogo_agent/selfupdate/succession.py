"""The agent updates itself: it puts a newer version on trial and makes way for it.

The new one blesses itself once it has polled and stayed up. If it does not, `systemd/rescue` puts
the one before back, which then draws the consequences here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.succession import Start, is_superseded, start_of
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import Version
from koprogo_agent.errors import Failure, NeedsOperator, Refused, StepFailed
from koprogo_agent.ports import Versions
from koprogo_agent.selfupdate.own import JOURNAL, own_folder, own_settings
from koprogo_agent.selfupdate.package import Packages
from koprogo_agent.selfupdate.search import Search
from koprogo_agent.settings import Settings
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory
from koprogo_agent.update.world import World

log = structlog.get_logger()

_LOOKED = "agent.looked"
_ATTEMPT = "attempt"
_TRIES = "tries"
_MOST_TRIES = 3
"""Trials of one version that end without its fault, as when the network is away at that moment."""
_NO_BLESSING = Failure(
    "StepFailed",
    "agent.trial",
    "it was put aside: it failed when it was run",
    advice="its log: journalctl -u koprogo-agent",
)


@dataclass(frozen=True)
class Attempt:
    """A version that was put on trial."""

    version: str
    deployment: Deployment


@dataclass
class SelfUpdate:
    """Looks for newer versions of the agent, and exchanges itself.

    Attributes:
        world: the machine, with the source and trust root of the agent's own releases.
        versions: the agent's home.
        packages: brings versions there.
        settings: the operator's.
        running: the version that runs.
        instance: the random name of this instance.
        main: the journal of KoproGo's updates, in which people read what happened.
        on_trial: whether this version is on trial.
    """

    world: World
    versions: Versions
    packages: Packages
    settings: Settings
    running: Version
    instance: str
    main: Journal
    on_trial: bool = field(init=False, default=False)

    def begin(self) -> None:
        """Finds out what this start is, and draws the consequences of a trial that is over.

        Of several agents on a machine only one does; the others follow it.
        """
        if not self.settings.agent.update:
            return
        trial = self.versions.trial
        start = start_of(self.versions.own, trial)
        self.on_trial = start is Start.ON_TRIAL
        if self.on_trial:
            log.info("agent.on_trial", version=self.versions.own)
            return
        if start is Start.AFTER_TRIAL:
            self.versions.end_trial()
        with self._journal() as journal:
            attempt = journal.get(Attempt, _ATTEMPT)
            if attempt is not None and attempt.version == self.versions.own:
                self._succeeded(journal, attempt)
            elif attempt is not None:
                self._failed(journal, attempt)

    @property
    def is_due(self) -> bool:
        """Whether it is time to look for a newer version."""
        if not self.settings.agent.update:
            return False
        looked, now = self.main.get(datetime, _LOOKED), self.world.clock.now()
        pause = timedelta(seconds=self.settings.agent.interval)
        if looked is not None and timedelta(0) <= now - looked < pause:
            return False
        return self._has_trust_root()

    @property
    def is_superseded(self) -> bool:
        """Whether another version is meant to run here: somebody installed it."""
        return is_superseded(self.versions.own, self.versions.current, self.versions.trial)

    def change(self) -> bool:
        """Looks for a newer version and puts it on trial; tells whether this one is to make way.

        Raises:
            RetryLater, NeedsOperator: that is not possible now.
        """
        self.main.put(_LOOKED, self.world.clock.now())
        with self._journal() as journal:
            own = own_settings(self.settings)
            search = Search(self.world, own, journal, self.running, self.instance)
            release = search.candidate()
            if release is None:
                return False
            log.info("agent.update.begins", tag=release.tag)
            try:
                self._require_untried(journal, str(release.version))
                version = self.packages.bring(release)
            except (StepFailed, Refused) as error:
                self._put_aside(journal, release.fingerprint, release.tag, Failure.of(error))
                self.versions.forget(str(release.version))
                return False
            self._note(journal, version, release)
            self.versions.begin_trial(version)
        log.info("agent.update.on_trial", version=version)
        return True

    def bless(self) -> None:
        """This version has proved itself: it stays, and the floor rises to it.

        Not where the rescue has put it aside, and a power cut kept it from going back.
        """
        if self.versions.own in self.versions.put_aside:
            return
        trial, self.on_trial = self.versions.trial, False
        if trial is None or start_of(self.versions.own, trial) is not Start.ON_TRIAL:
            return  # the rescue has just ended it
        self.versions.bless(trial.old)
        with self._journal() as journal:
            attempt = journal.get(Attempt, _ATTEMPT)
            if attempt is not None:
                self._succeeded(journal, attempt)

    def step_back(self) -> None:
        """This version could not prove itself, and not by its own fault: the one before goes on."""
        trial = self.versions.trial
        if trial is not None:
            self.versions.step_back(trial.old)
        log.warning("agent.stepped_back", version=self.versions.own)

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        journal = Journal(own_folder(self.settings) / JOURNAL, self.world.clock.now())
        try:
            yield journal
        finally:
            journal.close()

    def _has_trust_root(self) -> bool:
        with suppress(NeedsOperator):  # the doctor tells of it
            return bool(self.world.anchor.pinned())
        return False

    def _require_untried(self, journal: Journal, version: str) -> None:
        if version in self.versions.put_aside:
            raise StepFailed(_NO_BLESSING.message, code=_NO_BLESSING.code)
        if (journal.get(dict[str, int], _TRIES) or {}).get(version, 0) >= _MOST_TRIES:
            raise StepFailed(
                f"it could not prove itself in {_MOST_TRIES} trials", code="agent.unproved"
            )

    def _note(self, journal: Journal, version: str, release: VerifiedRelease) -> None:
        tries = journal.get(dict[str, int], _TRIES) or {}
        journal.put(_TRIES, {version: tries.get(version, 0) + 1})
        journal.put(_ATTEMPT, Attempt(version, _deployment(release)))

    def _succeeded(self, journal: Journal, attempt: Attempt) -> None:
        before = journal.installed
        journal.commit(attempt.deployment, before)
        journal.put(_ATTEMPT, None)
        journal.put(_TRIES, None)
        self.main.record("agent.updated", self.world.clock.now(), version=attempt.version)
        log.info("agent.updated", version=attempt.version)

    def _failed(self, journal: Journal, attempt: Attempt) -> None:
        target = attempt.deployment
        if attempt.version in self.versions.put_aside:
            self._put_aside(journal, target.fingerprint, target.tag, _NO_BLESSING)
        self.versions.forget(attempt.version)
        journal.put(_ATTEMPT, None)

    def _put_aside(self, journal: Journal, fingerprint: str, tag: str, failure: Failure) -> None:
        now = self.world.clock.now()
        Memory(journal.store).quarantine(fingerprint, tag, "trial", failure, now)
        self.main.record("agent.put_aside", now, tag=tag, code=failure.code, why=failure.message)
        log.error("agent.put_aside", tag=tag, code=failure.code, why=failure.message)
        self.world.notifier.tell(
            f"KoproGo: version {tag} cannot be used here",
            f"{failure.message}\n{self.running} goes on, and {tag} is not tried again."
            " Tell the association.",
        )


def _deployment(release: VerifiedRelease) -> Deployment:
    return Deployment(
        tag=release.tag,
        fingerprint=release.fingerprint,
        oid=release.oid,
        commit=release.commit,
        counter=release.manifest.counter if release.manifest else 0,
        image_tag="",
        files=release.manifest.files if release.manifest else {},
        compose_files=(),
        pins={},
        migrations=None,
        era=release.era,
    )
