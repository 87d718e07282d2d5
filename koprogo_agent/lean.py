"""Keeps out of the daemon what its libraries import for features that it does not use.

structlog takes Rich along if it finds it, for tracebacks on terminals, and asyncio for loggers that
are awaited; APScheduler asks asyncio whether a job is a coroutine. Together they are 6 MB of the 45
that an idle daemon may have, on thousands of machines that share 4 GB with the application.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def _asyncio() -> ModuleType:
    """All of asyncio that is asked for where nothing is ever awaited."""
    made = ModuleType("asyncio")
    made.iscoroutinefunction = inspect.iscoroutinefunction  # type: ignore[attr-defined]
    return made


@contextmanager
def imports() -> Iterator[None]:
    """What is imported in this block finds neither Rich nor the whole of asyncio.

    Afterwards both can be imported as ever; what somebody has imported before stays as it is.
    """
    # A None makes an import fail, as if the module were not there (the language reference, 5.3.1).
    absent: dict[str, ModuleType | None] = {"rich": None, "asyncio": _asyncio()}
    hidden = {name: found for name, found in absent.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]  # see above
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
