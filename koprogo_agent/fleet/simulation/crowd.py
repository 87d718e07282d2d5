"""All instances, by one clock, and without a task for each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from koprogo_agent.fleet.simulation.agenda import Agenda, Entry, What
from koprogo_agent.fleet.simulation.agent import Agent
from koprogo_agent.fleet.simulation.calls import Said, key_of
from koprogo_agent.fleet.simulation.fate import draw
from koprogo_agent.fleet.simulation.outbox import Outbox
from koprogo_agent.fleet.simulation.plan import Plan
from koprogo_agent.fleet.simulation.source import Source
from koprogo_agent.pace import EPOCH, Pace, phase_of
from koprogo_agent.wire.answer import Answer, Rejection
from koprogo_agent.wire.report import instance_of

_START = 1.0
"""Seconds that an agent takes to begin."""


class Crowd:
    """The instances, and what happens to them. Moments are seconds since 1970.

    Attributes:
        agents: by their number.
        source: what they poll.
        agenda: what happens next.
        installed: how many have the release.
    """

    def __init__(self, plan: Plan, now: float, tell: Callable[[Agent, float], None]) -> None:
        """Makes the instances; nothing happens to them before `begin`.

        Args:
            plan: what is to be simulated.
            now: the moment.
            tell: called when a report of an instance is due, with when it became so.
        """
        self.agents = [_made(plan, number, now) for number in range(plan.instances)]
        self.source = Source(plan.before, plan.release)
        self.agenda = Agenda()
        self.installed = 0
        self._plan = plan
        self._tell = tell
        self._chance = Random(plan.seed)  # noqa: S311 - a simulation is to be repeated

    def begin(self, now: float) -> None:
        """Minute 0."""
        plan, chance = self._plan, self._chance
        self.source.published = now + plan.at * 60
        for agent in self.agents:
            lot = draw(plan, chance, now)
            agent.begin(now, lot)
            phase = phase_of(agent.name, plan.tick).total_seconds()
            first = (phase - (now - EPOCH.timestamp())) % plan.tick
            self.agenda.put(now + first, agent.number, What.POLL)
            self.agenda.put(lot.falls, agent.number, What.FALL)
            # Somewhere within an interval, as if each had begun at a time of its own.
            self._next_report(agent, now + chance.random() * agent.outbox.pace.interval)

    def happens(self, entry: Entry, now: float) -> None:
        """One thing that is due."""
        _, number, what = entry
        agent = self.agents[number]
        match what:
            case What.POLL:
                self.agenda.put(entry[0] + self._plan.tick, number, What.POLL)
                self._poll(agent, now)
            case What.STEP:
                self._step(agent, now)
            case What.REPORT:
                # Another moment may have been set since.
                if agent.outbox.due == entry[0] and not agent.outbox.is_busy:
                    self._tell(agent, entry[0])
            case What.FALL:
                agent.is_silent, agent.outbox.due = True, math.inf
                self.agenda.put(agent.lot.rises if agent.lot else math.inf, number, What.RISE)
            case What.RISE:
                agent.is_silent = False
                agent.outbox.begin_run()
                self._next_report(agent, now)
                self._poll(agent, now)

    def heard(self, agent: Agent, said: Said, now: float) -> None:
        """What has come of a report, and what follows."""
        outbox = agent.outbox
        match said:
            case Answer():
                outbox.is_known = True
                outbox.pace = outbox.pace.taken(said.interval)
                told = outbox.acknowledge(frozenset(said.acknowledged))
                if any(one.installed == self._plan.release for one in told):
                    agent.known_at = agent.known_at or now
                if agent.lot is not None and agent.follows(said.highest):
                    self._poll(agent, now)
            case Rejection():
                outbox.pace = outbox.pace.failed(float(said.after or 0))
            case _:
                outbox.pace = outbox.pace.failed()
        if not agent.is_silent and agent.lot is not None:
            self._next_report(agent, now + outbox.pace.pause(self._chance.random()))
            self._tell_news(agent, now)

    def _poll(self, agent: Agent, now: float) -> None:
        self.agenda.put(agent.poll(now, self.source), agent.number, What.STEP)
        self._tell_news(agent, now)

    def _step(self, agent: Agent, now: float) -> None:
        if agent.is_silent:
            # It is finished once the machine is back, if ever.
            back = agent.lot.rises + _START if agent.lot else math.inf
            self.agenda.put(back, agent.number, What.STEP)
            return
        had = agent.installed_at
        self.agenda.put(agent.step(now, self._plan.soak), agent.number, What.STEP)
        self.installed += agent.installed_at is not None and had is None
        self._tell_news(agent, now)

    def _next_report(self, agent: Agent, moment: float) -> None:
        agent.outbox.due = moment
        self.agenda.put(moment, agent.number, What.REPORT)

    def _tell_news(self, agent: Agent, now: float) -> None:
        if agent.outbox.may_speak and not agent.is_silent:
            self._tell(agent, now)


def _made(plan: Plan, number: int, now: float) -> Agent:
    public = key_of(plan.seed, number).public_key().public_bytes_raw()
    moment = int(now)
    outbox = Outbox(sequence=moment, told=moment, pace=Pace(plan.tick))
    agent = Agent(number, instance_of(public), plan.before, outbox)
    agent.note(now)
    return agent
