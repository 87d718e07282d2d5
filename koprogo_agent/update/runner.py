"""Runs one operation: decide, write down, carry out, again. The only caller of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

import structlog

from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.machine import begin, decide
from koprogo_agent.domain.plan import Direction, Kind, Plan, Step
from koprogo_agent.domain.states import (
    Broke,
    Carry,
    Command,
    End,
    Event,
    Finished,
    Found,
    Outcome,
    Pause,
    Probe,
    Rest,
    Resumed,
    Unfinished,
)
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import AgentError, Failure, NeedsOperator
from koprogo_agent.settings import Settings
from koprogo_agent.update.encoding import deployment_from
from koprogo_agent.update.job import Job, Models
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.operation import Facts, Operation
from koprogo_agent.update.operator_files import waits_for_files
from koprogo_agent.update.presentable import presentable
from koprogo_agent.update.table import WORK
from koprogo_agent.update.world import Watcher, World

log = structlog.get_logger()

BUG = "agent.bug"
"""Code of the failure that an exception of the agent's own code is."""
_TELL_OF_USERS = frozenset({Step.GATE, Step.RELEASE})
"""Steps whose way back is worth knowing as well: it is when users are in again."""


@dataclass(frozen=True)
class Ran:
    """How far an operation came.

    Attributes:
        operation: as it is in the journal now.
        outcome: how it ended, or None when it goes on later.
        failure: why it does not go on now, when something transient stands in the way.
    """

    operation: Operation
    outcome: Outcome | None
    failure: Failure | None = None

    @property
    def watches(self) -> bool:
        """Whether the release is installed, and nothing is left to do but to watch it (soak)."""
        left = self.outcome is None and self.failure is None
        return left and self.operation.state.watches

    @property
    def gives_way(self) -> bool:
        """Whether a newer release may end the watching; not where a person has just gone back."""
        return self.watches and self.operation.kind in {Kind.INSTALL, Kind.UPDATE}


@dataclass(frozen=True)
class Order:
    """What is to be done.

    Attributes:
        tag: the release that it brings.
        fingerprint: what is quarantined when that release fails.
        target: what is to run, where that is known beforehand.
        facts: what is known beforehand, by step.
    """

    plan: Plan
    tag: str
    fingerprint: str
    previous: Deployment | None
    target: Deployment | None = None
    facts: Mapping[Step, Facts] = field(default_factory=dict)


class Runner:
    """Carries operations through, so that any of them may be cut off at any instant."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        journal: Journal,
        watcher: Watcher,
        stopping: Callable[[], bool],
    ) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._watcher = watcher
        self._stopping = stopping
        self._models: Models = {}

    def start(self, order: Order, release: VerifiedRelease | None = None) -> Ran:
        """Begins an operation and runs it until it ends, pauses, or the agent is to stop."""
        state, command = begin(order.plan)
        operation = self._journal.begin(
            Operation(
                id=0,
                kind=order.plan.kind,
                tag=order.tag,
                fingerprint=order.fingerprint,
                previous=order.previous,
                target=order.target,
                state=state,
                started=self._world.clock.now(),
                facts=order.facts,
            )
        )
        return self._run(operation, command, release)

    def resume(self, operation: Operation) -> Ran:
        """Goes on with an operation that was found in the journal."""
        operation, command = self._decide(operation, Resumed())
        return self._run(operation, command, None)

    def watch_no_longer(self, operation: Operation) -> Ran:
        """Takes the soak of an operation for finished."""
        operation, command = self._decide(operation, Finished())
        return self._run(operation, command, None)

    def _run(self, operation: Operation, command: Command, release: VerifiedRelease | None) -> Ran:
        self._models = {}
        while True:
            match command:
                case Carry():
                    if self._stopping():
                        return Ran(operation, None)
                    operation, event = self._carry(operation, release)
                case Probe():
                    operation, event = self._probe(operation)
                case Rest():
                    return Ran(operation, None)
                case Pause(failure=failure):
                    return Ran(operation, None, failure)
                case End(outcome=outcome):
                    self._journal.end(operation, outcome, self._world.clock.now())
                    return Ran(operation, outcome)
                case _:
                    assert_never(command)
            operation, command = self._decide(operation, event)

    def _decide(self, operation: Operation, event: Event) -> tuple[Operation, Command]:
        state, command = decide(operation.state, event)
        operation = replace(operation, state=state)
        self._journal.save(operation)
        return operation, command

    def _carry(
        self, operation: Operation, release: VerifiedRelease | None
    ) -> tuple[Operation, Event]:
        action = operation.state.action
        work = WORK[action.step]
        job = self._job(operation, release)
        self._watcher.begins(action, operation.tag)
        began = self._world.clock.monotonic()
        try:
            facts = work.do(job) if action.direction is Direction.DO else work.undo(job)
        except AgentError as error:
            return self._broke(operation, Failure.of(waits_for_files(job, error)))
        except Exception as error:  # a bug of ours must not leave a stack down either
            log.exception("step.bug", step=str(action))
            return self._broke(operation, _of_bug(operation, error))
        if facts is None:
            return operation, Unfinished()
        self._watcher.finished(action, self._world.clock.monotonic() - began, facts)
        if action.direction is Direction.DO:
            operation = _learn(operation, action.step, facts)
        elif action.step in _TELL_OF_USERS:
            known = operation.facts.get(action.step, {})
            operation = _learn(operation, action.step, {**known, **facts})
        return operation, Finished(wrote=bool(facts.get("wrote")))

    def _broke(self, operation: Operation, cause: Failure) -> tuple[Operation, Event]:
        failure = presentable(cause, self._settings)
        self._watcher.broke(operation.state.action, failure)
        if operation.state.tries:
            # The same failure again: what is away needs a moment to come back.
            self._world.clock.wait(self._settings.gate.interval * 2**operation.state.tries)
        return operation, Broke(failure)

    def _probe(self, operation: Operation) -> tuple[Operation, Event]:
        step, job = operation.state.action.step, self._job(operation, None)
        try:
            found = WORK[step].probe(job)
        except AgentError as error:
            return self._broke(operation, Failure.of(waits_for_files(job, error)))
        except Exception as error:  # as in the step itself
            log.exception("probe.bug", step=str(step))
            return self._broke(operation, _of_bug(operation, error))
        if found.facts:
            operation = _learn(operation, step, found.facts)
        return operation, Found(found.truth)

    def _job(self, operation: Operation, release: VerifiedRelease | None) -> Job:
        world, settings = self._world, self._settings
        return Job(operation, world, settings, self._journal, self._watcher, release, self._models)


def _of_bug(operation: Operation, error: Exception) -> Failure:
    """A fault of the agent's own in one sentence: it is never the release's."""
    step, what = operation.state.action, type(error).__name__
    return Failure.of(
        NeedsOperator(
            f"the agent itself has a fault, at step {step}: {what} ({error})",
            code=BUG,
            advice="the release is not to blame; please report it, with what this prints:"
            " journalctl -u koprogo-agent",
        )
    )


def _learn(operation: Operation, step: Step, facts: Facts) -> Operation:
    known = dict(facts)
    target = known.pop("target", None)
    return replace(
        operation,
        target=deployment_from(target) if target else operation.target,
        facts={**operation.facts, step: known},
    )
