"""What becomes of an instance, drawn before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from koprogo_agent.domain.plan import Step
from koprogo_agent.fleet.simulation.plan import TICK, Plan

_HELD = 0.1
"""Share of those on which the release fails that cannot go back by themselves either."""
_PAUSED = 1 / 3
"""Share of those that wait whose operator has paused the agent; the others have a window."""
_BACK = 0.5
"""Share of those that fall silent that come back."""
_SHORTEST, _LONGEST = 2 * TICK, 8 * TICK
"""Seconds for which one that comes back is silent."""
_FAULTS = ((Step.GATE, "gate.failed"), (Step.MIGRATE, "migration.failed"))
_WEIGHTS = (3, 1)


class Fate(Enum):
    """What comes of a release here."""

    WELL = auto()
    FAILS = auto()
    HELD = auto()
    WINDOW = auto()
    PAUSED = auto()


@dataclass(frozen=True, slots=True)
class Lot:
    """What becomes of one instance. Moments are seconds since 1970.

    Attributes:
        fate: what comes of the release.
        takes: seconds from the poll that sees it until it is installed, or given up.
        fault: step at which it fails, and the code.
        opens: when the update window opens, where there is one.
        falls: when it falls silent; infinite: never.
        rises: when it comes back; infinite: never.
    """

    fate: Fate
    takes: float
    fault: tuple[Step, str]
    opens: float
    falls: float
    rises: float


def draw(plan: Plan, chance: Random, began: float) -> Lot:
    """Draws a lot, where minute 0 was at a moment.

    As much is drawn for each, so that a share that is changed changes nobody else.
    """
    fate, spread, silence = chance.random(), chance.uniform(-1, 1), chance.random()
    (fault,) = chance.choices(_FAULTS, _WEIGHTS)
    opens, falls = chance.random(), chance.random()
    pause = plan.real(chance.uniform(_SHORTEST, _LONGEST))
    falls_at = began + falls * plan.seconds if silence < plan.silent else math.inf
    comes_back = silence < plan.silent * _BACK
    published = began + plan.at * 60
    return Lot(
        fate=_fate(plan, fate),
        # From half of the middle to twice as much.
        takes=plan.real(plan.update * 2**spread),
        fault=fault,
        # Half of the windows open before it is over.
        opens=published + 2 * opens * (plan.seconds - plan.at * 60),
        falls=falls_at,
        rises=falls_at + pause if comes_back else math.inf,
    )


def _fate(plan: Plan, drawn: float) -> Fate:
    if drawn < plan.failing:
        return Fate.HELD if drawn < plan.failing * _HELD else Fate.FAILS
    if drawn >= 1 - plan.waiting:
        return Fate.PAUSED if drawn >= 1 - plan.waiting * _PAUSED else Fate.WINDOW
    return Fate.WELL
