"""What an operator may ask of the engine, besides what it does by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from koprogo_agent.domain.choose import Circumstances, is_newer, why_not
from koprogo_agent.domain.states import Outcome
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.planning import order_restore, order_rollback
from koprogo_agent.update.preconditions import check_exchange
from koprogo_agent.update.restoring import require_restorable
from koprogo_agent.update.runner import Order, Ran
from koprogo_agent.update.standing import Held, HeldBy

_GO_ON = {Outcome.COMMITTED, Outcome.POSTPONED}
"""Ends of what was cut off after which the operator's wish is still what it was."""


@dataclass(frozen=True)
class Requests:
    """The operator's word stands above policy, windows and waiting; never above trust.

    Attributes:
        although_stale: whether the operator accepts that nobody vouches that a release is the
            newest; all that a release itself must satisfy stays as it is.
        although_unrestorable: whether a backup is tried of which it is known that it could not be
            restored.
    """

    engine: Engine
    although_stale: bool = False
    although_unrestorable: bool = False

    def candidate(self, tag: str | None) -> VerifiedRelease | None:
        """The release that would be installed now: the named one, or the newest possible.

        Raises:
            Refused: the named release may not be installed.
        """
        found = list(self.engine.look().offers)
        here = self._permitted()
        if tag is None:
            return self.engine.choose(found, here).candidate
        named = [one for one in found if one.ref.name == tag]
        if not named:
            raise Refused(
                f"the source has no release {tag}",
                code="choose.unknown",
                advice="see what it has: koprogo-agent check",
            )
        if not is_newer(named[0].version, here):
            raise Refused(
                f"{tag} is not newer than what runs here ({here.installed})",
                code="choose.older",
                advice="to go back to the last good release: koprogo-agent rollback",
            )
        release = self.engine.releases.verify(named[0].ref, self.engine.journal.floor)
        reason = why_not(release, here)
        if reason is not None:
            raise Refused(f"{tag} is not installed: {reason.detail}", code=f"choose.{reason.waits}")
        return release

    def update(self, tag: str | None) -> Ran | None:
        """Finishes what was cut off, then installs; None when there was nothing to do."""
        finished = self.engine.finish()
        if finished is not None and _stands_in_the_way(finished):
            return finished
        self.require_not_held()
        release = self.candidate(tag)
        ran = self.engine.install(release) if release else finished
        return ran and self._seen_through(ran)

    def rollback_order(self) -> Order:
        """What `rollback` would do.

        Raises:
            Refused: it is not possible; the advice says what is.
        """
        return order_rollback(self.engine.journal.installed, self.engine.journal.previous)

    def rollback(self) -> Ran:
        """Puts the last good release back and quarantines the one that was left."""
        finished = self.engine.finish()
        if finished is not None and _stands_in_the_way(finished):
            return finished
        return self._seen_through(self.engine.carry_out(self.rollback_order()))

    def restore(self, name: str) -> Ran:
        """Puts a backup back, with the release that it belongs to.

        Raises:
            NeedsOperator: it is known that it cannot be restored, or the database cannot be put
                aside for it; nothing was stopped.
        """
        finished = self.engine.finish()
        if finished is not None and _stands_in_the_way(finished):
            return finished
        dump = self.engine.backups.find(name)
        target = self.engine.backups.release_of(dump)
        if not self.although_unrestorable:
            require_restorable(dump)
        check_exchange(self.engine.world, self.engine.settings)
        order = order_restore(dump.path, self.engine.journal.installed, target)
        return self._seen_through(self.engine.carry_out(order))

    def _seen_through(self, ran: Ran) -> Ran:
        """Watches to the end; the condition is judged before and after, as users see it now."""
        self.engine.health.examine()
        seen = self.engine.see_through(ran)
        self.engine.health.examine()
        return seen

    def hold(self, reason: str) -> None:
        """Nothing is changed until `resume`."""
        now = self.engine.world.clock.now()
        advice = "to let it go on: koprogo-agent resume"
        self.engine.standing.hold(Held(HeldBy.OPERATOR, reason, advice, now))

    def resume(self) -> bool:
        """Lets the agent go on; tells whether it was held."""
        return self.engine.resume()

    def retry(self, tag: str) -> None:
        """Takes a release out of quarantine.

        Raises:
            Refused: it is not in quarantine.
        """
        if not self.engine.memory.forgive(tag):
            raise Refused(
                f"{tag} is not in quarantine",
                code="quarantine.absent",
                advice="see what waits and why: koprogo-agent why",
            )

    def require_not_held(self) -> None:
        """Refuses while the agent is held.

        Raises:
            NeedsOperator: it is.
        """
        held = self.engine.standing.held
        if held is not None:
            raise NeedsOperator(
                f"nothing is changed: {held.reason}", code="agent.held", advice=held.advice
            )

    def _permitted(self) -> Circumstances:
        here = self.engine.circumstances()
        stale = "" if self.although_stale else here.stale
        return replace(
            here,
            automatic=True,
            window_open=True,
            postponed={},
            waits_its_turn=False,
            stale=stale,
        )


def _stands_in_the_way(finished: Ran) -> bool:
    """Whether what was cut off did not end in such a way that the operator still wants the same."""
    return not finished.watches and finished.outcome not in _GO_ON
