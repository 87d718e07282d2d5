"""Reports on their way: a few connections for all instances."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from koprogo_agent.errors import AgentError, Refused
from koprogo_agent.fleet.simulation.agent import Agent
from koprogo_agent.fleet.simulation.line import Line
from koprogo_agent.fleet.simulation.plan import Plan
from koprogo_agent.fleet.simulation.tally import Tally
from koprogo_agent.wire import REPORTS
from koprogo_agent.wire.answer import BEHIND, Answer, Rejection, decode, decode_rejection
from koprogo_agent.wire.report import encode
from koprogo_agent.wire.signing import Request, sign

_CONNECTIONS = 64

Said = Answer | Rejection | AgentError
"""What comes of a report; an error is why there is no answer."""


def key_of(seed: int, number: int) -> Ed25519PrivateKey:
    """The key of an instance: made anew at each use, because 100,000 of them weigh.

    Whoever knows the seed has it: it is worth nothing but the reports of a simulation.
    """
    raw = hashlib.sha256(f"koprogo-fleet simulate {seed} {number}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(raw)


class Calls:
    """Sends reports, in the order in which they are due.

    Attributes:
        tally: where they are counted.
    """

    def __init__(
        self, plan: Plan, heard: Callable[[Agent, Said], None], now: Callable[[], float]
    ) -> None:
        """Nothing is sent yet.

        Args:
            plan: says where to, and the seed of the keys.
            heard: called with what comes of each report.
            now: the clock of the simulation.
        """
        self.tally = Tally()
        self._plan = plan
        self._heard = heard
        self._now = now
        self._due: asyncio.Queue[tuple[Agent, float]] = asyncio.Queue()

    def put(self, agent: Agent, due: float) -> None:
        """A report of this instance was due at a moment that has come."""
        agent.outbox.is_busy = True
        self._due.put_nowait((agent, due))

    async def all_told(self) -> None:
        """Returns once nothing is due and nothing on its way."""
        await self._due.join()

    def connections(self) -> list[asyncio.Task[None]]:
        """Begins to send; whoever asks for these tasks cancels them in the end."""
        return [asyncio.create_task(self._send()) for _ in range(_CONNECTIONS)]

    async def _send(self) -> None:
        line = Line(self._plan.url)
        try:
            while True:
                agent, due = await self._due.get()
                self.tally.delays.append(self._now() - due)
                said = await self._told(line, agent)
                agent.outbox.is_busy = False
                self._heard(agent, said)
                self._due.task_done()
        finally:
            line.close()

    async def _told(self, line: Line, agent: Agent) -> Said:
        said = await self._sent(line, agent)
        if isinstance(said, Rejection) and said.code == BEHIND and said.sequence is not None:
            agent.outbox.sequence = max(agent.outbox.sequence, said.sequence)
            said = await self._sent(line, agent)
        return said

    async def _sent(self, line: Line, agent: Agent) -> Said:
        request = Request("POST", self._plan.url + REPORTS, encode(agent.report()))
        sign(request, key_of(self._plan.seed, agent.number), datetime.now(UTC))
        tally, began = self.tally, monotonic()
        tally.sent += 1
        try:
            status, body = await line.post(request)
            tally.waits.append(monotonic() - began)
            said = _read(status, body)
        except AgentError as error:
            tally.refused[error.code] += 1
            return error
        if isinstance(said, Rejection):
            tally.refused[said.code] += 1
        else:
            tally.taken += 1
        return said


def _read(status: HTTPStatus, body: bytes) -> Answer | Rejection:
    if status == HTTPStatus.OK:
        return decode(body)
    try:
        return decode_rejection(body)
    except Refused as error:
        message = f"the server says {status.value}, and not why"
        raise Refused(message, code=error.code) from None
