"""What people type in the demo, and how it ends."""

from __future__ import annotations

import os

DONE, FAILED, REFUSED, ROLLED_BACK = 0, 1, 3, 4


def terminal() -> dict[str, str]:
    """What the terminal is, so that colours and progress come out as for a person."""
    names = ("TERM", "COLUMNS", "COLORTERM", "NO_COLOR", "LANG")
    return {name: os.environ[name] for name in names if name in os.environ}
