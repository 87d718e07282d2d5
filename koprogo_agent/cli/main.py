"""The entry point: runs one verb and turns how it ended into an exit code.

Nothing heavy is imported here: good looks on a terminal cost memory that a daemon has not got.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from koprogo_agent.cli.exits import Exit, code_of, tell, tell_fault
from koprogo_agent.errors import AgentError


def main() -> None:
    """What `koprogo-agent` calls."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the verb that the arguments name and gives the exit code."""
    try:
        match list(arguments):
            case ["run"]:
                return _daemon(None)
            case ["run", "--config" | "-c", file]:
                return _daemon(Path(file))
            case _:
                return _verb(arguments)
    except AgentError as error:
        tell(error, arguments)
        return code_of(error)
    except Exception:  # noqa: BLE001 - the last one who can catch it; the daemon has its own
        tell_fault()
        return Exit.FAILED


def _daemon(config: Path | None) -> int:
    from koprogo_agent.cli.run import run as run_daemon  # noqa: PLC0415 - see above

    run_daemon(config)
    return Exit.DONE


def _verb(arguments: Sequence[str]) -> int:
    from koprogo_agent.cli.app import app  # noqa: PLC0415 - see above

    try:
        app(list(arguments), prog_name="koprogo-agent")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    return Exit.DONE
