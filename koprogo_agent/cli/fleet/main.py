"""The entry point of `koprogo-fleet`: runs one verb and turns how it ended into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from koprogo_agent.cli.exits import Exit, code_of, tell, tell_fault
from koprogo_agent.cli.fleet.app import PROGRAM, app
from koprogo_agent.errors import AgentError


def main() -> None:
    """What `koprogo-fleet` calls."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the verb that the arguments name and gives the exit code."""
    try:
        app(list(arguments), prog_name=PROGRAM)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    except AgentError as error:
        tell(error, arguments, PROGRAM)
        return code_of(error)
    except Exception:  # noqa: BLE001 - the last one who can catch it
        tell_fault(PROGRAM)
        return Exit.FAILED
    return Exit.DONE
