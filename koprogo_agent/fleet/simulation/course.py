"""The course of a simulation: the server is met, minute 0, and the end."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time
from typing import NamedTuple

from koprogo_agent.errors import AgentError, NeedsOperator
from koprogo_agent.fleet.settings import PREFIX
from koprogo_agent.fleet.simulation.agent import Agent
from koprogo_agent.fleet.simulation.calls import Calls, Said
from koprogo_agent.fleet.simulation.crowd import Crowd
from koprogo_agent.fleet.simulation.plan import Plan
from koprogo_agent.fleet.simulation.tally import Summary, Tally, summary
from koprogo_agent.wire.answer import Rejection

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK = 0.5
"""Seconds from one word on how it goes to the next."""
_GRAIN = 0.005
"""Seconds for which it sleeps at least: what is due within goes together."""
_SET_DOWN = 20_000
"""Instances whose course is set down within a second, on a slow machine."""
_LAST_WORDS = 10.0
"""Seconds for which news are still told when it is over."""


class Stand(NamedTuple):
    """How it goes.

    Attributes:
        minute: since minute 0; None before.
        known: instances that the server knows, as far as this simulation has seen.
        taken: reports since then.
        refused: the same.
        installed: instances that have the release.
    """

    minute: float | None
    known: int
    taken: int
    refused: int
    installed: int


class Course:
    """One simulation, once."""

    def __init__(self, plan: Plan, watch: Callable[[Stand], None]) -> None:
        """Makes the instances, which takes a while: each has a key.

        Args:
            plan: what is to be simulated.
            watch: called now and then with how it goes.
        """
        self._plan = plan
        self._watch = watch
        self._behind = time() - monotonic()
        self._calls = Calls(plan, self._heard, self._now)
        self._crowd = Crowd(plan, self._now(), self._calls.put)
        self._began: float | None = None
        self._known = 0

    async def run(self) -> Summary:
        """Runs it to its end, or to SIGINT or SIGTERM.

        Raises:
            AgentError: the server cannot be reached, or takes none of these instances.
        """
        over = asyncio.Event()
        for name in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(name, over.set)
        tasks = [
            *self._calls.connections(),
            asyncio.create_task(self._live()),
            asyncio.create_task(self._tell_stand()),
            asyncio.create_task(over.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._summary()

    async def _live(self) -> None:
        if self._plan.warm:
            for agent in self._crowd.agents:
                self._calls.put(agent, self._now())
            await self._calls.all_told()
        # What came before is not what a fleet does from day to day.
        self._calls.tally = Tally()
        # What is due must not have piled up by the time at which all of it is set down.
        self._began = began = self._now() + len(self._crowd.agents) / _SET_DOWN
        self._crowd.begin(began)
        # They live to the end: to look through all of them would delay what is measured.
        gc.collect()
        gc.freeze()
        while (now := self._now()) < began + self._plan.seconds:
            for entry in self._crowd.agenda.due(now):
                self._crowd.happens(entry, now)
            await asyncio.sleep(min(max(self._crowd.agenda.next - self._now(), _GRAIN), _LOOK))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._calls.all_told(), _LAST_WORDS)

    async def _tell_stand(self) -> None:
        while True:
            tally = self._calls.tally
            minute = None if self._began is None else max(self._now() - self._began, 0.0) / 60
            refused, installed = tally.refused.total(), self._crowd.installed
            self._watch(Stand(minute, self._known, tally.taken, refused, installed))
            await asyncio.sleep(_LOOK)

    def _heard(self, agent: Agent, said: Said) -> None:
        was_known = agent.outbox.is_known
        self._crowd.heard(agent, said, self._now())
        self._known += agent.outbox.is_known and not was_known
        if isinstance(said, AgentError) and not self._known:
            raise said
        if isinstance(said, Rejection) and not agent.outbox.is_known:
            _explain(said)

    def _summary(self) -> Summary:
        now = int(self._now())
        began = now if self._began is None else int(self._began) + 1
        ended = min(now, began + int(self._plan.seconds) - 1)
        crowd, tally = self._crowd, self._calls.tally
        return summary(tally, crowd.source, crowd.agents, range(began, ended))

    def _now(self) -> float:
        """Seconds since 1970, by a clock that is never set."""
        return monotonic() + self._behind


def _explain(said: Rejection) -> None:
    """A server that does not take an instance that is new takes none of the others either.

    Raises:
        NeedsOperator: that is so, and a person can change it (code `simulation.refused`).
    """
    many, address = f"{PREFIX}ENROLMENTS", f"{PREFIX}REPORTS_PER_ADDRESS"
    advice = {
        "limit.enrolments": f"start it with {many}=1000000 {many}_PER_ADDRESS=1000000",
        "limit.address": f"start it with {address}=1000000",
        "signature.invalid": f"give --url as the server has it in {PREFIX}PUBLIC_URL",
    }.get(said.code)
    if advice is not None:
        raise NeedsOperator(
            f"the server takes no instance that is new: {said.message}",
            code="simulation.refused",
            advice=advice,
        )
