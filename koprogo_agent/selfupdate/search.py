"""Which of the agent's own releases this machine is to have now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from koprogo_agent.domain.choose import Circumstances, choose, is_newer
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.errors import AgentError, Failure
from koprogo_agent.settings import Settings
from koprogo_agent.update.authority import Authority
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory
from koprogo_agent.update.releases import Releases, offers
from koprogo_agent.update.standing import Standing
from koprogo_agent.update.world import World


@dataclass
class Search:
    """One look at the source of the agent's own releases.

    Attributes:
        world: the machine, with that source and its trust root (`own_world`).
        settings: those of the agent as a product (`own_settings`).
        journal: its own.
        running: the version that runs.
        instance: the random name of this instance: gives it its place in rollouts.
    """

    world: World
    settings: Settings
    journal: Journal
    running: Version
    instance: str
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        """Builds what judges."""
        self.memory = Memory(self.journal.store)
        self._standing = Standing(self.journal)
        self._authority = Authority(self.world, self.settings, self.journal)
        self._releases = Releases(self.world, self.settings, self.memory, self._authority)

    def candidate(self) -> VerifiedRelease | None:
        """The newest release that is to be installed now, verified.

        Raises:
            RetryLater: the source cannot be asked.
            NeedsOperator: the trust root cannot be used.
        """
        now = self.world.clock.now()
        try:
            found = self._look(now)
        except AgentError as error:
            self._standing.poll_failed(Failure.of(error), now)
            raise
        self._standing.poll_succeeded(now)
        return found

    def _look(self, now: datetime) -> VerifiedRelease | None:
        listing = self.world.source.list_refs()
        self._authority.refresh(listing.trust)
        here = self._circumstances(now)
        newer = [one for one in offers(listing.tags) if is_newer(one.version, here)]
        choice = choose(self._releases.trusted(newer, self.journal.floor), here)
        self._standing.chose(choice, self._releases.kept_out(listing.tags))
        return choice.candidate

    def _circumstances(self, now: datetime) -> Circumstances:
        """No update window: nobody's work stops while the agent is exchanged."""
        floor = self.journal.floor
        return Circumstances(
            installed=self.running,
            floor=parse_version(floor.version) if floor else None,
            agent=self.running,
            channel=self.settings.trust.channel,
            quarantined=frozenset(self.memory.quarantined()),
            at=now,
            instance=self.instance,
            freshness=self._authority.freshness,
            stale=self._authority.stale(),
        )
