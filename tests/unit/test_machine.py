"""The update machine under any order of events: it always ends, and never over what users wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from koprogo_agent.domain.machine import MAX_TRIES, begin, decide, reopened
from koprogo_agent.domain.plan import Action, Direction, Kind, Plan, Step, heal, stops_something
from koprogo_agent.domain.states import (
    Broke,
    Carry,
    Command,
    Course,
    End,
    Event,
    Finished,
    Found,
    Outcome,
    Pause,
    Probe,
    Rest,
    Resumed,
    State,
    Truth,
    Unfinished,
)
from koprogo_agent.errors import Failure
from tests.unit.test_plan import PLANS

FAILURES = {
    kind: Failure(kind, "a.code", "it does not work")
    for kind in ("RetryLater", "StepFailed", "NeedsOperator", "Refused")
}
UNDO_POINT = Action(Step.POINT, Direction.UNDO)
UNDO_RESTORE = Action(Step.RESTORE, Direction.UNDO)


class AnyOrder(RuleBasedStateMachine):
    """Events in any order that the runner and the world allow; users write whenever they can."""

    state: State
    command: Command

    @initialize(plan=st.sampled_from(PLANS), passed=st.integers(0, len(Step)), wrote=st.booleans())
    def begins(self, plan: Plan, passed: int, wrote: bool) -> None:  # noqa: FBT001 - drawn
        """An operation, its first steps passed: what matters most happens late."""
        self.state, self.command = begin(plan)
        self.carried = 0
        for _ in plan.steps[1:][:passed]:
            self.state, self.command = decide(self.state, Finished())
        self.wrote = wrote and self.state.opened

    def _happens(self, event: Event) -> None:
        assert not isinstance(self.command, End)
        self.carried += 1
        self.state, self.command = decide(self.state, event)
        # In the worst case each action of three courses is tried so often.
        assert self.carried < 4 * MAX_TRIES * len(Step)

    def _carries(self) -> bool:
        return isinstance(self.command, Carry)

    @precondition(lambda self: self.state.opened and not self.wrote)
    @rule()
    def users_write(self) -> None:
        """They may from the moment at which requests are about to be let through."""
        held_again = self.state.course is Course.BACK and self.state.position > 0
        self.wrote = not held_again

    @precondition(lambda self: self._carries())
    @rule()
    def finishes(self) -> None:
        """The action is carried out; a hold on the way back tells the truth."""
        back = self.state.course is Course.BACK
        held = back and self.state.action == Action(Step.HOLD)
        self._happens(Finished(wrote=held and self.wrote))

    @precondition(lambda self: self._carries() and self.state.action.step is Step.SOAK)
    @rule()
    def goes_on(self) -> None:
        """A slice of the soak."""
        before = self.state
        self._happens(Unfinished())
        self.carried -= 1
        assert (self.state, self.command) == (replace(before, tries=0), Rest())
        self.command = Carry()

    @precondition(lambda self: isinstance(self.command, Carry | Probe))
    @rule(kind=st.sampled_from(sorted(FAILURES)))
    def breaks(self, kind: str) -> None:
        """The action, or its probe, fails."""
        self._happens(Broke(FAILURES[kind]))

    @precondition(lambda self: isinstance(self.command, Probe))
    @rule(truth=st.sampled_from(Truth))
    def is_found(self, truth: Truth) -> None:
        """The probe answers."""
        self._happens(Found(truth))

    @precondition(lambda self: not isinstance(self.command, End))
    @rule()
    def dies(self) -> None:
        """The agent is killed at any moment and starts again."""
        self._happens(Resumed())
        if self.state.course is not Course.FORWARD:
            self.carried -= 1  # a way back is not given up because of reboots

    @precondition(lambda self: isinstance(self.command, End))
    @rule()
    def is_resumed(self) -> None:
        """After HELD an operator lets it go on; any other end is one."""
        if self.command == End(Outcome.HELD) and self.state.actions:
            self.state, self.command = reopened(self.state), Carry()
            self.carried = 0

    @invariant()
    def is_bounded(self) -> None:
        """Tries are counted, and the position is in the list."""
        if hasattr(self, "state"):
            assert 0 <= self.state.tries < MAX_TRIES
            assert not self.state.actions or self.state.position < len(self.state.actions)

    @invariant()
    def keeps_what_users_wrote(self) -> None:
        """Once they have written, the data is never put back."""
        if hasattr(self, "state") and self._carries() and self.state.actions:
            assert not (self.wrote and self.state.action in {UNDO_POINT, UNDO_RESTORE})

    def teardown(self) -> None:
        """If from now on all goes well, it ends, and not in HELD but for healing."""
        if not hasattr(self, "state"):
            return
        while not isinstance(self.command, End):
            if isinstance(self.command, Pause):
                self._happens(Resumed())
            elif isinstance(self.command, Probe):
                self._happens(Found(Truth.DONE))
            else:
                self.finishes()


AnyOrder.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, database=None
)
TestAnyOrder = AnyOrder.TestCase


def run(plan: Plan, fails_at: Step, kind: str) -> tuple[State, Outcome, list[str]]:
    """A run in which one step fails always, and nothing else does."""
    state, command = begin(plan)
    done = []
    while not isinstance(command, End):
        assert isinstance(command, Carry)
        done.append(str(state.action))
        fails = state.course is Course.FORWARD and state.action.step is fails_at
        state, command = decide(state, Broke(FAILURES[kind]) if fails else Finished())
    return state, command.outcome, done


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.kind is not Kind.HEAL], ids=str)
def test_failure_at_every_step(plan: Plan, kind: str) -> None:
    """Before an exchange: cancelled or postponed. After it: rolled back. Tidying: committed."""
    for step in plan.steps:
        state, outcome, done = run(plan, step, kind)
        hot = stops_something(plan, step)
        if step is Step.TIDY:
            assert outcome is Outcome.COMMITTED
        elif hot and step is not Step.HOLD:
            assert outcome is Outcome.ROLLED_BACK
            assert done.count(str(step)) == (MAX_TRIES if kind == "RetryLater" else 1)
        else:
            postponed = kind == "RetryLater"
            assert outcome is (Outcome.POSTPONED if postponed else Outcome.CANCELLED)
        assert step is Step.TIDY or state.failed is step


def test_healing_that_fails() -> None:
    """Healing has no way back: a person is needed, unless it is only for a while."""
    assert run(heal(), Step.GATE, "StepFailed")[1] is Outcome.HELD
    assert run(heal(), Step.GATE, "RetryLater")[1] is Outcome.POSTPONED


def test_empty_way_back_survives_a_crash() -> None:
    """Killed between the last state and the end of the operation, it ends all the same."""
    state, _, _ = run(heal(), Step.PULL, "StepFailed")
    assert decide(state, Resumed())[1] == End(Outcome.HELD)


@pytest.mark.parametrize("kind", ["NeedsOperator", "StepFailed"])
@pytest.mark.parametrize("plan", [one for one in PLANS if Step.SOAK in one.steps], ids=str)
def test_a_watched_release_on_resume(plan: Plan, kind: str) -> None:
    """It is looked at again if it was not what failed, and has changed no schema."""
    state, _ = begin(plan)
    while not state.watches:
        state, _ = decide(state, Finished())
    state, command = decide(state, Broke(FAILURES[kind]))
    while not isinstance(command, End):
        state, command = decide(state, Broke(FAILURES["NeedsOperator"]))
    assert command.outcome is Outcome.HELD
    again = reopened(state)
    looks = kind == "NeedsOperator" and plan.holds and not plan.rewinds_data
    assert again.course is (Course.FORWARD if looks else Course.BACK)
    assert not looks or again.action.step is Step.HOLD
