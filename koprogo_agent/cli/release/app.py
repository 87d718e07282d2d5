"""The tree of verbs of `koprogo-release`."""

from __future__ import annotations

from koprogo_agent.cli.program import program
from koprogo_agent.cli.release import ceremony, cut, fresh, look

PROGRAM = "koprogo-release"

app = program(
    PROGRAM,
    "Cuts, signs and publishes releases, and says who may. Run it in a clone of the product.",
    (
        ceremony.init,
        ceremony.rotate,
        cut.prepare,
        cut.sign,
        cut.cosign,
        cut.publish,
        look.verify,
        look.status,
        fresh.freshness,
        fresh.hold,
        fresh.release_hold,
        fresh.yank,
        fresh.rollout,
    ),
)
