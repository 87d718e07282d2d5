"""What an update would do: everything up to the moment at which it would begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from koprogo_agent.domain.plan import Plan, Step
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import DatabaseAt
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.forecast import Forecast, forecast
from koprogo_agent.update.looking import closed_gate_policy
from koprogo_agent.update.planning import order_update
from koprogo_agent.update.requests import Requests

_RECENT = 50
"""Operations that are looked through for something measured."""


@dataclass(frozen=True)
class Preview:
    """What would be done.

    Attributes:
        release: what would be installed.
        plan: its steps.
        forecast: what it would cost its users.
        to_pull: images that are not here yet, as far as the manifest names them.
        notes: what a person should know besides.
    """

    release: VerifiedRelease
    plan: Plan
    forecast: Forecast
    to_pull: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def shut_out(self) -> frozenset[Step]:
        """The steps during which users wait."""
        steps = self.plan.steps
        if not self.plan.fenced:
            return frozenset()
        return frozenset(steps[steps.index(Step.FENCE) : steps.index(Step.UNFENCE) + 1])


def preview(engine: Engine, tag: str | None) -> Preview | None:
    """What `Requests.update` would do; None where there is nothing to do, or the agent is held.

    Raises:
        Refused: the named release may not be installed.
    """
    release = Requests(engine).candidate(tag)
    if release is None:
        return None
    order = order_update(engine.world, engine.settings, release, engine.journal.installed)
    past = engine.journal.past(_RECENT)
    settled = closed_gate_policy(engine.settings).settled
    expected = forecast(order.plan, past, _database(engine), settled)
    images = release.manifest.images.values() if release.manifest else ()
    absent = [one.reference for one in images if engine.world.images.find(one.reference) is None]
    return Preview(release, order.plan, expected, tuple(absent), tuple(_notes(engine)))


def _database(engine: Engine) -> int | None:
    stack, database = engine.settings.stack, engine.settings.database
    try:
        return engine.world.database.size(DatabaseAt(stack.project, database.service))
    except RetryLater:
        return None  # it does not run; the update would find out


def _notes(engine: Engine) -> Iterator[str]:
    live = engine.journal.live()
    if live is not None:
        yield f"the {live.kind} of {live.tag} is brought to its end first"
