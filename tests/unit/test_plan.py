"""The plans, and the ways back from every step of them."""

from __future__ import annotations

from itertools import product

import pytest

from koprogo_agent.domain.plan import (
    Action,
    Direction,
    Kind,
    Migrates,
    Plan,
    Step,
    Terms,
    heal,
    restore,
    rollback,
    stops_something,
    update,
    way_back,
    way_back_without_data,
    way_on,
)
from tests.simulation.verified import verified

RELEASE = verified("1.1.0")
TERMS = [
    Terms(installed, schema, migrates, backup, rehearsal, works)
    for installed, schema, migrates, backup, rehearsal, works in product(
        [True, False], [True, False], Migrates, [True, False], [True, False], [True, False]
    )
]
PLANS = [*dict.fromkeys(update(RELEASE, terms) for terms in TERMS), rollback(), restore(), heal()]
HOT = [(plan, step) for plan in PLANS for step in plan.steps if stops_something(plan, step)]
COLD = [(plan, step) for plan in PLANS for step in plan.steps if not stops_something(plan, step)]


def undo(step: Step) -> Action:
    """The undoing of a step."""
    return Action(step, Direction.UNDO)


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_update(terms: Terms) -> None:
    """Nothing stops before images, backup and rehearsal; users wait and data is copied first."""
    plan = update(RELEASE, terms)
    steps = list(plan.steps)
    assert steps == [step for step in Step if step in steps]
    assert plan.kind is (Kind.UPDATE if terms.installed else Kind.INSTALL)
    schema = terms.installed and terms.schema_changes
    assert plan.rewinds_data == (Step.POINT in steps) == schema
    assert plan.holds == (Step.RELEASE in steps) == terms.installed
    assert (Step.REHEARSE in steps) == (terms.installed and terms.rehearsal)
    by_itself = terms.migrates is Migrates.AT_START
    assert (Step.MIGRATE in steps) == (not by_itself and (schema or not terms.installed))
    if Step.REHEARSE in steps or schema:
        assert Step.BACKUP in steps


@pytest.mark.parametrize(("plan", "step"), COLD, ids=str)
def test_way_back_before_anything_stopped(plan: Plan, step: Step) -> None:
    """It only cleans: nothing that users could notice is touched."""
    assert {one.step for one in way_back(plan, step)} <= {Step.STAGE, Step.PULL, Step.REHEARSE}


@pytest.mark.parametrize(("plan", "step"), HOT, ids=str)
def test_way_back_after(plan: Plan, step: Step) -> None:
    """Hold, data, images, gate, users: in this order; and only what was done is undone."""
    actions = way_back(plan, step)
    if plan.kind is Kind.HEAL:
        assert actions == ()
        return
    order = [
        Action(Step.HOLD),
        undo(Step.POINT),
        undo(Step.RESTORE),
        undo(Step.SWITCH),
        undo(Step.GATE),
        undo(Step.RELEASE),
        undo(Step.COMMIT),
        undo(Step.PULL),
        undo(Step.STAGE),
        Action(Step.TIDY),
    ]
    assert list(actions) == [action for action in order if action in actions]
    assert (undo(Step.SWITCH) in actions) == (step is not Step.HOLD)
    if step is Step.HOLD:
        assert actions[0] == undo(Step.RELEASE)
        return
    passed = plan.steps[: plan.steps.index(step)]
    assert (undo(Step.POINT) in actions) == (Step.POINT in passed)
    assert (undo(Step.COMMIT) in actions) == (Step.COMMIT in (*passed, step))
    assert (undo(Step.GATE) in actions) == (plan.kind is not Kind.INSTALL)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_ways_that_keep_the_data(plan: Plan) -> None:
    """Neither of them puts other data in place."""
    data = {undo(Step.POINT), undo(Step.RESTORE), Action(Step.RESTORE), Action(Step.POINT)}
    assert not data & {*way_on(plan), *way_back_without_data(plan)}
    assert Action(Step.SOAK) in way_on(plan)


def test_names_of_before() -> None:
    """An older journal calls two steps otherwise."""
    assert (Step("fence"), Step("unfence")) == (Step.HOLD, Step.RELEASE)
    with pytest.raises(ValueError, match="no-such-step"):
        Step("no-such-step")
