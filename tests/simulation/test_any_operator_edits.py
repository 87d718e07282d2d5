"""Any edits of the operator's own files between operations: what holds for every sequence."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import Refused
from tests.simulation.checks import assert_sound, is_held
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT
from tests.simulation.test_operator_edits import (
    BROKEN,
    OVERRIDE,
    TOOL,
    assert_well,
    bring,
    profile,
    write,
)


@dataclass(frozen=True)
class Edit:
    """What the operator's files ask for, and what happens then.

    Attributes:
        own: services of the override file.
        debug: whether the profile of the release's own `debug` is on.
        then: good or broken, with a schema change or without: a release; back: `rollback`; heal:
            the backend's container is removed.
    """

    own: frozenset[str]
    debug: bool
    then: str


EDITS = st.lists(
    st.builds(
        Edit,
        st.frozensets(st.sampled_from(["one", "two"])),
        st.booleans(),
        st.sampled_from(["good", "good schema", "broken", "broken schema", "back", "heal"]),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=10, deadline=None, database=None)
@given(EDITS)
def test_any_edits_between_operations(edits: list[Edit]) -> None:
    """No fault of our own, no quarantine but of what is broken, never HELD, nothing missed."""
    with TemporaryDirectory() as name:
        instance = Instance.new(Path(name), stack={"overrides": (OVERRIDE,)})
        write(instance, {})
        instance.scene.publisher.more = {"debug": {**TOOL, "profiles": ["debug"]}}
        instance.install()
        ids, broken = instance.ids, set()
        for number, edit in enumerate(edits, start=1):
            write(instance, dict.fromkeys(edit.own, TOOL))
            profile(instance, "debug" if edit.debug else "")
            asked = edit.own | ({"debug"} if edit.debug else set())
            committed = _happens(instance, edit.then, f"1.{number}.0")
            if edit.then.startswith("broken"):
                broken.add(f"v1.{number}.0")
            instance.settle()
            assert not is_held(instance)
            assert instance.quarantined >= broken
            assert_well(instance)
            assert_sound(instance, ids)
            extra = instance.ids.keys() - ids.keys()
            assert extra == asked if committed else extra <= {"one", "two", "debug"}
        assert instance.quarantined - broken <= _left_by_hand(instance)
        instance.journal.close()


def _happens(instance: Instance, then: str, version: str) -> bool:
    """Lets it happen; tells whether a release was brought here."""
    schema = then.endswith("schema")
    if then.startswith("good"):
        return bring(instance, version, schema=schema).outcome is Outcome.COMMITTED
    if then.startswith("broken"):
        bring(instance, version, schema=schema, backend=BROKEN)
    elif then == "back":
        with suppress(Refused):
            return instance.requests.rollback().outcome is Outcome.COMMITTED
    else:
        box = instance.scene.machine.one(PROJECT, "backend")
        assert box is not None
        instance.scene.machine.remove(box)
    return False


def _left_by_hand(instance: Instance) -> set[str]:
    """Releases that the operator went back from."""
    found = instance.engine.memory.quarantined().values()
    return {one.tag for one in found if one.code == "operator.rollback"}
