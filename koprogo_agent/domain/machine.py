"""The update state machine: (state, event) -> (state, command).

A state is written down before its command is carried out, so every state here is also a state in
which a power cut can find the machine. `Resumed` is what the next start says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from koprogo_agent.domain.plan import (
    Action,
    Direction,
    Kind,
    Plan,
    Step,
    stops_something,
    way_back,
    way_back_without_data,
    way_on,
)
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

MAX_TRIES = 4
INTERRUPTED = "agent.interrupted"
"""Code of the failure that a restart of the agent is."""


def begin(plan: Plan) -> tuple[State, Command]:
    """The first state of a plan."""
    actions = tuple(Action(step) for step in plan.steps)
    return _entered(State(plan, Course.FORWARD, actions)), Carry()


def decide(state: State, event: Event) -> tuple[State, Command]:
    """The next state, and what to do in it."""
    match event:
        case Finished(wrote=wrote):
            return _finished(state, wrote)
        case Unfinished():
            # It went well: an agent that is restarted now and then has not failed at it.
            return replace(state, tries=0), Rest()
        case Broke(failure=failure):
            return _broke(state, failure)
        case Resumed():
            return _resumed(state)
        case Found(truth=truth):
            return _found(state, truth)
        case _:
            assert_never(event)


def _finished(state: State, wrote: bool) -> tuple[State, Command]:  # noqa: FBT001 - a fact
    if wrote and state.course is Course.BACK and discards_data(state):
        return _keep_data(state)
    if state.position + 1 < len(state.actions):
        return _entered(replace(state, position=state.position + 1, tries=0)), Carry()
    return state, End(_outcome(state))


def _outcome(state: State) -> Outcome:
    if state.course is not Course.BACK:
        return Outcome.COMMITTED
    stopped = any(action.step is Step.SWITCH for action in state.actions)
    if stopped:
        return Outcome.ROLLED_BACK
    if state.cause is not None and state.cause.transient:
        return Outcome.POSTPONED
    # Healing has no way back: the release that passed the gate once no longer does.
    return Outcome.HELD if state.plan.kind is Kind.HEAL else Outcome.CANCELLED


def _entered(state: State) -> State:
    """Notes, before requests are let through, that users may write from now on."""
    opens = state.course is not Course.BACK and state.action.step is Step.RELEASE
    return replace(state, opened=True) if opens else state


def _keep_data(state: State) -> tuple[State, Command]:
    """Users have written: restoring the point would lose their writes (DESIGN, section 4)."""
    if state.plan.detached:
        actions, course = way_back_without_data(state.plan), Course.BACK
    else:
        actions, course = way_on(state.plan), Course.ONWARD
    return replace(state, course=course, actions=actions, position=0, tries=0), Carry()


def _broke(state: State, failure: Failure) -> tuple[State, Command]:
    if state.tries + 1 >= MAX_TRIES and _only_cleans(state):
        # What cannot be cleaned away now is no reason to end otherwise, or to ask for a person.
        return _finished(state, wrote=False)
    match state.course:
        case Course.FORWARD:
            return _broke_forward(state, failure)
        case Course.BACK | Course.ONWARD:
            if state.tries + 1 < MAX_TRIES:
                return _again(state), Carry()
            if failure.transient:
                # The engine or the database is away: no person is needed, only time.
                return replace(state, tries=0), Pause(failure)
            return state, End(Outcome.HELD)
        case _:
            assert_never(state.course)


def _broke_forward(state: State, failure: Failure) -> tuple[State, Command]:
    hot = stops_something(state.plan, state.action.step)
    if (_only_cleans(state) or (hot and failure.transient)) and state.tries + 1 < MAX_TRIES:
        return _again(state), Carry()
    return _turn_back(state, failure)


def _only_cleans(state: State) -> bool:
    undone = {Step.REHEARSE, Step.PULL, Step.STAGE}
    action = state.action
    return action.step is Step.TIDY or (
        action.direction is Direction.UNDO and action.step in undone
    )


def _again(state: State) -> State:
    return replace(state, tries=state.tries + 1)


def _turn_back(state: State, failure: Failure) -> tuple[State, Command]:
    actions = way_back(state.plan, state.action.step)
    if failure.transient:
        # It will be tried again: what was pulled need not be pulled twice.
        actions = tuple(action for action in actions if action.step is not Step.PULL)
    back = replace(
        state,
        course=Course.BACK,
        actions=actions,
        position=0,
        tries=0,
        cause=failure,
        failed=state.action.step,
    )
    return (back, Carry()) if actions else (back, End(_outcome(back)))


def reopened(state: State) -> State:
    """Where an operation that was HELD goes on, once an operator has mended what was in its way.

    From its beginning; but data that went back already does not go back twice. Where the release
    was only watched, and it was not what failed, it is looked at again instead of taken back.
    """
    if _was_watched_well(state):
        forward = tuple(Action(step) for step in state.plan.steps)
        start = state.plan.steps.index(Step.HOLD)
        return replace(state, course=Course.FORWARD, actions=forward, position=start, tries=0)
    images_back = Action(Step.SWITCH, Direction.UNDO)
    index = state.actions.index(images_back) if images_back in state.actions else 0
    return replace(state, position=index if state.position >= index else 0, tries=0)


def _was_watched_well(state: State) -> bool:
    """Whether a release is on its way back that passed its gates, and is not what failed since."""
    watched = state.failed is Step.SOAK and state.course is Course.BACK
    sound = state.cause is not None and not state.cause.blames_release
    return watched and sound and state.plan.holds and not state.plan.rewinds_data


def discards_data(state: State) -> bool:
    """Whether what is left to do puts other data in the place of the present."""
    left = state.actions[state.position :]
    return any(Action(step, Direction.UNDO) in left for step in (Step.POINT, Step.RESTORE))


def _resumed(state: State) -> tuple[State, Command]:
    if not state.actions:
        return state, End(_outcome(state))
    if state.course is not Course.FORWARD or state.watches:
        # Every undo, and every step of the way back, may be repeated by its contract; and each
        # look of the soak is a new one.
        return state, Carry()
    nothing_stopped = not stops_something(state.plan, state.action.step)
    if nothing_stopped or state.tries + 1 >= MAX_TRIES:
        # Before anything stopped, a fresh start at the next tick is the simplest way to be right.
        return _turn_back(state, _interrupted(state))
    return _again(state), Probe()


def _found(state: State, truth: Truth) -> tuple[State, Command]:
    match truth:
        case Truth.DONE:
            return _finished(state, wrote=False)
        case Truth.NOT_DONE:
            return state, Carry()
        case Truth.UNCLEAR:
            return _turn_back(state, _interrupted(state))
        case _:
            assert_never(truth)


def _interrupted(state: State) -> Failure:
    return Failure(
        kind="RetryLater",
        code=INTERRUPTED,
        message=f"the agent was interrupted at step {state.action}",
    )
