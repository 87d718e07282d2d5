"""One tick: observe, decide, act. The same engine serves `run`, `update`, `rollback` and tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from koprogo_agent import __version__
from koprogo_agent.domain.choose import Choice, Circumstances, choose, is_newer
from koprogo_agent.domain.drift import applied
from koprogo_agent.domain.states import Outcome
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.domain.windows import open_at
from koprogo_agent.errors import AgentError, Failure, NeedsOperator, Refused, RetryLater
from koprogo_agent.ports import Listing
from koprogo_agent.settings import Settings
from koprogo_agent.update.adoption import Adoption
from koprogo_agent.update.aftermath import Aftermath
from koprogo_agent.update.authority import Authority
from koprogo_agent.update.backups import Backups
from koprogo_agent.update.health import HealthMonitor
from koprogo_agent.update.holding import end_stray_hold, let_through
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.memory import Memory
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.planning import order_update
from koprogo_agent.update.releases import Offer, Releases, offers
from koprogo_agent.update.repair import Repair
from koprogo_agent.update.runner import Order, Ran, Runner
from koprogo_agent.update.scratch import drop_scratch
from koprogo_agent.update.standing import HeldBy, Standing
from koprogo_agent.update.world import Watcher, World

log = structlog.get_logger()

_PAUSE = 5.0
"""Seconds from a pause to the next try; the first tries of an action are as far apart."""


@dataclass(frozen=True)
class Seen:
    """What a poll brought: what is offered, newest first, and what may be installed now."""

    offers: tuple[Offer, ...]
    choice: Choice


class Engine:
    """Keeps one stack current.

    Attributes:
        world: the outside systems.
        settings: the operator's.
        journal: what must not be forgotten.
        memory: what is remembered of releases.
        standing: what the agent knows of itself.
        authority: who may say what.
        releases: verification.
        backups: backups besides those of an update.
        health: judges whether the stack is up or down.
    """

    def __init__(
        self,
        world: World,
        settings: Settings,
        journal: Journal,
        watcher: Watcher,
        stopping: Callable[[], bool],
    ) -> None:
        self.world = world
        self.settings = settings
        self.journal = journal
        self.memory = Memory(journal.store)
        self.standing = Standing(journal)
        self.authority = Authority(world, settings, journal)
        self.releases = Releases(world, settings, self.memory, self.authority)
        self.backups = Backups(world, settings, journal, watcher)
        self.health = HealthMonitor(world, settings, journal, self.standing, watcher, stopping)
        self._repair = Repair(world, settings, journal, self.standing, self.health)
        self._adoption = Adoption(world, settings, self.releases)
        self._runner = Runner(world, settings, journal, watcher, stopping)
        self._aftermath = Aftermath(world, settings, journal, self.memory, self.standing)
        self._stopping = stopping

    def tick(self) -> Ran | None:
        """Does what is to be done now; None when that was only to look.

        Whatever comes of it, the stack is judged at the end.

        Raises:
            AgentError: the tick could not be finished; the next one tries again.
        """
        try:
            ran = self._tick()
        except Exception as error:
            # Whether the source answers makes no difference to users, nor to their data.
            if isinstance(error, AgentError) and self.journal.live() is None:
                with suppress(AgentError):
                    self._heal()
                self.backups.daily()
            self.health.examine()
            raise
        self.health.examine()
        return ran

    def _tick(self) -> Ran | None:
        ran = self.finish()
        if ran is not None and ran.outcome is None and not ran.gives_way:
            return ran
        candidate = self.look().choice.candidate
        if self._stopping():
            return ran
        if candidate is not None:
            return self.install(candidate)
        with ExitStack() as duties:  # each is done, whatever becomes of those before it
            duties.callback(self.backups.daily)
            if ran is None or not ran.watches:  # what is watched may still have to go back
                duties.callback(self._drop_scratch)
                ran = self._heal() or ran
        return ran

    def _drop_scratch(self) -> None:
        if self.standing.held is None and self.journal.live() is None:
            drop_scratch(self.world, self.settings, self.journal)

    def finish(self) -> Ran | None:
        """Goes on with an operation that was cut off, if there is one."""
        ended = self.journal.unsettled
        if ended is not None:
            return self._settle(Ran(ended.operation, ended.outcome))
        operation = self.journal.live()
        if operation is None:
            if self.standing.held is None:
                end_stray_hold(self.world, self.settings)
            return None
        if not operation.state.watches:
            log.info("operation.resumes", tag=operation.tag, action=str(operation.state.action))
        return self._resume(operation)

    def see_through(self, ran: Ran) -> Ran:
        """Goes on watching what was installed until the soak is over, or the agent is to stop."""
        while ran.watches and not self._stopping():
            self.world.clock.wait(self.settings.soak.interval)
            ran = self._resume(ran.operation)
        return ran

    @property
    def goes_on_after(self) -> float | None:
        """Seconds after which what is under way is gone on with; None: nothing is.

        Where an operation pauses because the engine or the database is away, users may be waiting
        in its hold: they cannot wait for the next poll.
        """
        live = self.journal.live()
        if live is None:
            return None
        return self.settings.soak.interval if live.state.watches else _PAUSE

    def look(self) -> Seen:
        """Polls, adopts what runs if nothing is known to be installed, and chooses."""
        if self.journal.set_aside is not None and self.journal.installed is None:
            self._open_again()
        listing = self._poll()
        found = offers(listing.tags)
        try:
            if self.journal.installed is None:
                self._adopt(found)
            self._note_moved(listing.tags)
            choice = self.choose(found, self.circumstances())
        except RetryLater as error:
            self._poll_failed(Failure.of(error))
            raise
        except NeedsOperator:
            self._poll_ended(listing)
            raise
        self._poll_ended(listing)
        self.standing.chose(choice, self.releases.kept_out(listing.tags))
        return Seen(tuple(found), choice)

    def choose(self, found: list[Offer], here: Circumstances) -> Choice:
        """Verifies what is newer than the installed release, and chooses."""
        newer = (offer for offer in found if is_newer(offer.version, here))
        return choose(self.releases.trusted(newer, self.journal.floor), here)

    def circumstances(self) -> Circumstances:
        """What is known here when a release is chosen."""
        installed, floor = self.journal.installed, self.journal.floor
        policy, now = self.settings.policy, self.world.clock.now()
        held = self.standing.held
        return Circumstances(
            installed=installed.version if installed else None,
            floor=parse_version(floor.version) if floor else None,
            agent=parse_version(__version__),
            channel=self.settings.trust.channel,
            quarantined=frozenset(self.memory.quarantined()),
            postponed=self._aftermath.waiting(now),
            held=f"{held.reason}; {held.advice}" if held else "",
            automatic=policy.automatic,
            window_open=open_at(policy.windows, now.astimezone()),
            instance=self.journal.get(str, "instance") or "",
            freshness=self.authority.freshness,
            stale=self.authority.stale(),
            at=now,
        )

    def install(self, release: VerifiedRelease) -> Ran:
        """Brings a release here, or takes everything back."""
        order = order_update(self.world, self.settings, release, self.journal.installed)
        return self.carry_out(order, release)

    def carry_out(self, order: Order, release: VerifiedRelease | None = None) -> Ran:
        """Carries out an order and draws its consequences; what was watched so far no longer is."""
        watched = self.journal.live()
        if watched is not None and watched.state.watches:
            ended = self._settle(self._runner.watch_no_longer(watched))
            if ended.outcome is None:
                return ended
        steps = [str(step) for step in order.plan.steps]
        log.info("operation.begins", kind=order.plan.kind, tag=order.tag, steps=steps)
        return self._settle(self._runner.start(order, release))

    def resume(self) -> bool:
        """An operator has spoken: what is HELD goes on; tells whether anything was.

        Raises:
            RetryLater: the database does not answer, and has to be asked first.
        """
        held = self.standing.held
        if held is not None and held.by is HeldBy.AGENT:
            self._aftermath.reopen()
        return self.standing.resume(self.world.clock.now())

    def drift(self) -> tuple[str, ...]:
        """How the stack differs from what was applied, in words."""
        return self._repair.drift()

    def _poll(self) -> Listing:
        """What the source lists; trust root and freshness are the newest afterwards."""
        try:
            listing = self.world.source.list_refs()
            self.authority.refresh(listing.trust)
        except AgentError as error:
            self._poll_failed(Failure.of(error))
            raise
        return listing

    def _poll_ended(self, listing: Listing) -> None:
        """The source gave all that it lists, and that may not be all that there is."""
        withheld = self.authority.withheld(listing.tags)
        now = self.world.clock.now()
        if withheld:
            self.standing.poll_failed(Failure("RetryLater", "source.withheld", withheld), now)
        else:
            self.standing.poll_succeeded(now)
        self.authority.announce(withheld)

    def _poll_failed(self, failure: Failure) -> None:
        self.standing.poll_failed(failure, self.world.clock.now())
        self.authority.announce(withheld=None)

    def _note_moved(self, refs: tuple[TagRef, ...]) -> None:
        for ref in self.releases.moved(refs):
            try:
                self.releases.verify(ref, None)
            except Refused as error:
                log.debug("tag.refused", tag=ref.name, code=error.code)

    def _adopt(self, found: list[Offer]) -> None:
        deployment = self._adoption.find(found)
        if deployment is None:
            return
        if self.journal.set_aside is not None:
            self._mourn(self.journal.set_aside, deployment.tag)
        self.journal.adopt(deployment)
        self._remember_applied()
        self.journal.record("stack.adopted", self.world.clock.now(), tag=deployment.tag)
        log.info("stack.adopted", tag=deployment.tag, services=sorted(deployment.pins))

    def _open_again(self) -> None:
        """The journal was lost, perhaps during a hold: nothing else would end it.

        Whether the source answers makes no difference to users who wait.
        """
        let_through(self.world, self.settings)

    def _mourn(self, aside: Path, tag: str) -> None:
        self.journal.record("journal.lost", self.world.clock.now(), kept=str(aside))
        log.error("journal.lost", kept=str(aside))
        self.world.notifier.tell(
            "KoproGo: the agent lost its journal",
            f"it was corrupt and is kept as {aside}; what runs was found out anew: {tag}",
        )

    def _heal(self) -> Ran | None:
        """Reports how the stack differs from what was applied, and puts it right if told to."""
        order = self._repair.order()
        ran = self.carry_out(order) if order else None
        self._repair.noted(ran)
        return ran

    def _resume(self, operation: Operation) -> Ran:
        return self._settle(self._runner.resume(operation))

    def _settle(self, ran: Ran) -> Ran:
        if ran.outcome is None:
            return ran
        if ran.outcome in {Outcome.COMMITTED, Outcome.ROLLED_BACK}:
            self._remember_applied()
        self._aftermath.of(ran)
        self.journal.settle()
        return ran

    def _remember_applied(self) -> None:
        installed = self.journal.installed
        ours = installed.pins if installed else {}
        containers = self.world.stack.containers(self.settings.stack.project)
        self.standing.apply(applied(one for one in containers if one.service in ours))
