"""The tree of verbs of `koprogo-fleet`."""

from __future__ import annotations

from koprogo_agent.cli.fleet import exporting, releases, serving, simulating
from koprogo_agent.cli.program import program

PROGRAM = "koprogo-fleet"

app = program(
    PROGRAM,
    "Takes the reports of instances, and shows the association its fleet.",
    (
        serving.serve,
        serving.migrate,
        serving.token,
        serving.user,
        serving.erase,
        releases.release,
        exporting.export,
        simulating.simulate,
    ),
)
