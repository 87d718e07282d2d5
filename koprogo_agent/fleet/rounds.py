"""What a server does again and again, beside answering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time

from koprogo_agent import logs

log = logs.get_logger()


@dataclass(frozen=True)
class Round:
    """Something that is done again and again; when it fails it is done again all the same.

    Attributes:
        name: for the log.
        do: does it once.
        pause: seconds to wait before it is done (again).
    """

    name: str
    do: Callable[[], Awaitable[None]]
    pause: Callable[[], float]


def every(seconds: float) -> Callable[[], float]:
    """The pause of what is done so long after the last time."""
    return lambda: seconds


def at_each(seconds: float, after: float = 0) -> Callable[[], float]:
    """The pause of what is done at each full minute, hour, …, or a while after it."""
    return lambda: seconds - (time() - after) % seconds


@asynccontextmanager
async def going(*rounds: Round) -> AsyncIterator[None]:
    """Meanwhile all of it is done."""
    tasks = [asyncio.create_task(_go(one)) for one in rounds]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _go(one: Round) -> None:
    while True:
        await asyncio.sleep(one.pause())
        try:
            await one.do()
        except Exception:  # reports are taken meanwhile, and the next time it may succeed
            log.exception("round.failed", round=one.name)
