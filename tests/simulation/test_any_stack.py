"""Any stack, any edits of the operator's, between operations and during them.

`KOPROGO_STACKS` says how many courses are gone through.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.any_stack import SHAPES, TURNS, Shape, Turn
from tests.simulation.course import Course

STACKS = int(os.environ.get("KOPROGO_STACKS", "60"))


@settings(
    max_examples=STACKS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(start=SHAPES, turns=TURNS, rehearses=st.booleans(), heals=st.booleans())
def test_any_course(
    memory: Callable[[], Path], start: Shape, turns: list[Turn], *, rehearses: bool, heals: bool
) -> None:
    """No fault of our own, no sound release blamed, never HELD; it ends as Compose would."""
    course = Course.begin(memory(), start, rehearses=rehearses, heals=heals)
    try:
        for turn in turns:
            course.go(turn)
        course.end(turns[-1].shape)
    finally:
        course.instance.journal.close()
