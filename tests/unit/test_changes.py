"""A configuration outlives versions: what an older one wrote is read as it was meant."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.settings import Settings, changes, find_older, load
from koprogo_agent.settings.changes import (
    CHANGES,
    Change,
    Key,
    Moved,
    Removed,
    Respelt,
    carry,
)

OLDER = Path(__file__).parent / "older"
"""The config.example.toml of each version that was given out, and of the first there was."""
COMMENTED_KEY = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)

HISTORY: tuple[Change, ...] = (
    Moved("0.2.0", Key("trust", "keys"), Key("trust", "directory")),
    Moved("0.3.0", Key("timing", "poll"), Key("source", "pause")),
    Moved("0.4.0", Key("source", "pause"), Key("source", "interval")),
    Removed("0.4.0", Key("timing", "patience"), "the gate has a deadline: gate.deadline"),
    Respelt(
        "0.5.0",
        Key("policy", "drift"),
        '"mend" is "heal"',
        is_old=lambda value: value == "mend",
        respell=lambda _: "heal",
    ),
)
"""Changes of every kind, one of them of a key that had changed before."""

WORDS = ("trust", "timing", "source", "policy", "keys", "directory", "poll", "pause")
NAMES = st.sampled_from([*WORDS, "interval", "patience", "drift", "x"])
VALUES = st.one_of(st.integers(0, 3), st.floats(0, 2), st.sampled_from(["mend", "heal", "x"]))
SECTIONS = st.dictionaries(NAMES, VALUES, max_size=5)
DOCUMENTS = st.dictionaries(NAMES, st.one_of(SECTIONS, VALUES, st.lists(SECTIONS)), max_size=5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"trust": {"keys": "/k"}}, {"trust": {"directory": "/k"}}, ["trust.keys is called"]),
        (
            {"timing": {"poll": 9}, "source": {"url": "u"}},
            {"source": {"url": "u", "interval": 9}},
            ["is called source.pause since 0.3.0", "is called source.interval since 0.4.0"],
        ),
        ({"timing": {"patience": 3}}, {}, ["is not heeded since 0.4.0: the gate has a deadline"]),
        ({"policy": {"drift": "mend"}}, {"policy": {"drift": "heal"}}, ['"mend" is "heal"']),
    ],
)
def test_each_kind_of_change(old: dict[str, Any], new: dict[str, Any], said: list[str]) -> None:
    """Carried out in order, and told with the version that made it."""
    carried = carry(old, HISTORY)
    assert carried.document == new
    assert [words in edit.said for words, edit in zip(said, carried.edits, strict=True)]


@given(DOCUMENTS)
def test_once_is_enough(document: dict[str, Any]) -> None:
    """What was carried forward is of today, whatever it was; what was given stays as it was."""
    before = deepcopy(document)
    carried = carry(document, HISTORY)
    again = carry(carried.document, HISTORY)
    assert (again.document, again.edits, again.conflicts) == (carried.document, [], [])
    assert document == before


@given(st.dictionaries(st.just("x"), SECTIONS | VALUES))
def test_what_no_change_explains_stays(document: dict[str, Any]) -> None:
    """It is for others to say whether it is a fault."""
    assert carry(document, HISTORY).document == document


def test_both_the_older_form_and_that_of_today_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one is meant, only the operator knows; it is one fault, with what to do."""
    file = tmp_path / "config.toml"
    file.write_text("[trust]\nkeys = '/k'\ndirectory = '/d'\n")
    monkeypatch.setattr(changes.carry, "__defaults__", (HISTORY,))
    with pytest.raises(NeedsOperator) as raised:
        load(file)
    assert raised.value.message.endswith(
        "has a fault\n  trust.keys is called trust.directory since 0.2.0, and both are given;"
        " take trust.keys out"
    )


def test_an_older_file_is_in_force_as_it_was_meant(tmp_path: Path) -> None:
    """A newer agent runs with it, and says so."""
    file = tmp_path / "config.toml"
    file.write_text("[source]\ninterval = 0.5\n[gate]\nsamples = 5\n")
    settings = load(file)
    assert (settings.source.interval, settings.gate.samples) == (1, 5)
    assert [edit.key for edit in find_older(file)] == [Key("source", "interval")]


@given(st.floats(1, 600) | st.integers(1, 600) | st.booleans() | st.text() | st.none())
def test_an_interval_of_today_is_never_touched(interval: object) -> None:
    """Nor is a fault taken for an older form."""
    document = {"source": {"interval": interval}}
    carried = carry(document)
    assert (carried.document, carried.edits) == (document, [])


def test_the_defaults_of_today_are_never_touched() -> None:
    """Every key, as `config show` writes it."""
    document = Settings().model_dump(mode="json")
    carried = carry(document)
    assert (carried.document, carried.edits) == (document, [])


@pytest.mark.parametrize("file", sorted(OLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_the_example_of_every_version_can_be_read(file: Path, tmp_path: Path) -> None:
    """A key that is renamed or removed without a line in `CHANGES` is found here."""
    every = tmp_path / "config.toml"
    every.write_text(COMMENTED_KEY.sub("", file.read_text()))
    assert load(every)


def test_no_change_calls_old_what_is_right_today() -> None:
    """It would be carried away at every start."""
    today = {
        Key(section, name)
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", {})
    }
    old = {change.key for change in CHANGES if not isinstance(change, Respelt)}
    assert not old & today
    assert all(change.key in today for change in CHANGES if isinstance(change, Respelt))
