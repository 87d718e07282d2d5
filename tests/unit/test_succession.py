"""One version of the agent succeeds another: what one that starts finds, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.succession import (
    BLAMELESS_SECONDS,
    PROOF_SECONDS,
    Start,
    Trial,
    Verdict,
    is_name,
    is_superseded,
    read_trial,
    start_of,
    verdict,
)

NAMES = st.from_regex(r"\A[0-9]\.[0-9]{1,3}\.[0-9]\Z")


@given(NAMES, NAMES)
def test_a_trial_is_read_as_it_was_written(new: str, old: str) -> None:
    """The rescue reads the same two words."""
    trial = Trial(new, old)
    assert read_trial(f"{trial}\n") == trial


@given(st.text())
def test_whatever_a_power_cut_left_can_be_read(text: str) -> None:
    """A daemon that cannot read its own trial would never start again."""
    assert start_of("1.0.0", read_trial(text)) in Start


@pytest.mark.parametrize(
    ("trial", "start"),
    [
        (None, Start.ORDINARY),
        (Trial("2.0.0", "1.0.0"), Start.ON_TRIAL),
        (Trial("3.0.0", "2.0.0"), Start.AFTER_TRIAL),
        (read_trial(""), Start.AFTER_TRIAL),
    ],
)
def test_a_start_is_on_trial_where_the_trial_is_its_own(trial: Trial | None, start: Start) -> None:
    """Another's trial never began, or the rescue has ended it."""
    assert start_of("2.0.0", trial) is start


@pytest.mark.parametrize(
    ("current", "trial", "makes_way"),
    [
        ("2.0.0", None, False),
        ("3.0.0", None, True),
        (None, None, False),
        ("3.0.0", Trial("3.0.0", "2.0.0"), False),
    ],
)
def test_a_version_makes_way_for_one_that_is_not_on_trial(
    current: str | None, trial: Trial | None, *, makes_way: bool
) -> None:
    """Of several agents on one machine only one tries versions; the others follow it later."""
    assert is_superseded("2.0.0", current, trial) is makes_way


@given(st.floats(0, 1000), st.booleans())
def test_nothing_is_blessed_before_its_time_or_without_a_poll(
    seconds: float,
    blameless: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    """A crash twenty seconds after READY must be a crash on trial."""
    polled = verdict(seconds, polled=True, blameless=False)
    assert (polled is Verdict.BLESS) == (seconds >= PROOF_SECONDS)
    alone = verdict(seconds, polled=False, blameless=blameless)
    steps_back = blameless and seconds >= BLAMELESS_SECONDS
    assert alone is (Verdict.STEP_BACK if steps_back else Verdict.WAIT)


@pytest.mark.parametrize("name", ["", ".", "..", "1.0.0/x", "-1", "a b", "x" * 64, "1.0.0\n"])
def test_what_could_leave_its_folder_is_no_name(name: str) -> None:
    """Folders of versions are removed by their names."""
    assert not is_name(name)


def test_versions_are_names() -> None:
    """Those of releases, and what Python makes of them."""
    assert all(map(is_name, ("1.2.3", "1.2.3-rc.1", "1.2.3rc1")))
