"""Who is connected to a server, told without a connection: by the names of its processes.

PostgreSQL gives each session a process, and says in its title whose it is. Where all connections
are taken, that is the only way to say by whom.
"""

from __future__ import annotations

import re

from koprogo_agent.ports import Session

LISTING = (
    "sh",
    "-c",
    # Not `ps`, which the official image lacks.
    r"""for one in /proc/[0-9]*; do tr '\0' ' ' 2>/dev/null <"$one/cmdline"; echo; done""",
)

_REFUSED = re.compile(r"too many clients|remaining connection slots|too many connections for")
_TITLE = re.compile(
    r"postgres: (?:.+: )?(?P<user>\S+) (?P<database>\S+)"
    r" (?:(?P<address>[0-9a-fA-F.:]+)\(\d+\)|\[local\]) (?P<state>\S.*)"
)


def is_full(complaints: str) -> bool:
    """Whether one of PostgreSQL's programs was refused because all connections are taken.

    By the words: a program that is refused is not told the SQLSTATE (53300).
    """
    return _REFUSED.search(complaints) is not None


def parse(printed: str) -> tuple[Session, ...]:
    """The sessions in what `LISTING` printed."""
    found = (_TITLE.fullmatch(line.strip()) for line in printed.splitlines())
    return tuple(
        Session(one["user"], one["database"], one["address"] or "", one["state"])
        for one in found
        if one is not None
    )
