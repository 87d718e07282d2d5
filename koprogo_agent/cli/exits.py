"""What the exit code says, and how a person is told of an error."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum

from koprogo_agent import places, redact
from koprogo_agent.errors import AgentError, NeedsOperator, Refused, RetryLater


class Exit(IntEnum):
    """The exit codes of every verb."""

    DONE = 0
    """Done, or nothing to do."""
    FAILED = 1
    USAGE = 2
    """Wrong words on the command line, or a wrong configuration."""
    REFUSED = 3
    """A rule of trust or policy says no."""
    ROLLED_BACK = 4
    OPERATOR = 5
    """Only a person can mend it."""
    LATER = 75
    """Transient: the same command may succeed later (EX_TEMPFAIL of sysexits.h)."""


def code_of(error: AgentError) -> Exit:
    """The exit code for an error that ended a verb."""
    match error:
        case RetryLater():
            return Exit.LATER
        case Refused():
            return Exit.REFUSED
        case NeedsOperator():
            return Exit.USAGE if error.code.startswith("config.") else Exit.OPERATOR
        case _:
            return Exit.FAILED


NOT_ROOT = "agent.not_root"
"""Code of the error that another user than root gets for a verb that is root's."""


AGENT = "koprogo-agent"


def tell(error: AgentError, typed: Sequence[str] = (), program: str = AGENT) -> None:
    """Writes an error to standard error: what happened, and what to type next."""
    _write(f"{program}: {error.message}")
    advice = error.advice
    if error.code == NOT_ROOT and typed:
        advice = f"type: sudo {program} {shlex.join(typed)}"
    if advice:
        _write(f"what to do: {advice}")


def tell_fault(program: str = AGENT) -> None:
    """Writes the exception that is being handled, which nobody foresaw, as a fault of ours."""
    _write(traceback.format_exc().rstrip())
    _write(f"{program}: this is a fault of the program itself; please report the lines above")


def _write(text: str) -> None:
    sys.stderr.write(redact.printable(places.typed_here(redact.text(text)), keep_lines=True) + "\n")
