"""How one version of the agent succeeds another: what a version that starts finds, and must do.

In the agent's home, `current` leads to the version that is started and `previous` to the one that
ran before it. While a new one is on trial, the file `trial` names it and the one to go back to. It
is written before `current` changes and removed last, so whatever a power cut leaves can be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,62}")


@dataclass(frozen=True)
class Trial:
    """A version that is being tried, and the one to go back to if it is not blessed."""

    new: str
    old: str

    def __str__(self) -> str:
        """As the file has it."""
        return f"{self.new} {self.old}"


class Start(StrEnum):
    """What a version finds when it starts."""

    ORDINARY = "ordinary"
    ON_TRIAL = "on trial"
    AFTER_TRIAL = "after a trial"
    """Another version's trial is still written down: it never began, or was ended just now."""


def read_trial(text: str) -> Trial:
    """The words of the file; empty where there are none."""
    new, _, old = text.strip().partition(" ")
    return Trial(new, old)


def start_of(own: str, trial: Trial | None) -> Start:
    """What this start is to a version.

    Args:
        own: the version that starts.
        trial: what is written of a trial, or None.
    """
    if trial is None:
        return Start.ORDINARY
    return Start.ON_TRIAL if trial.new == own else Start.AFTER_TRIAL


class Verdict(StrEnum):
    """What becomes of a version on trial."""

    BLESS = "bless"
    WAIT = "wait"
    STEP_BACK = "step back"


PROOF_SECONDS = 40.0
"""How long a version must stay up. The rescue waits until 90 s before it puts one back."""
BLAMELESS_SECONDS = 60.0
"""When a version that cannot poll, and not by its own fault, gives way before it is put aside."""


def verdict(seconds: float, *, polled: bool, blameless: bool) -> Verdict:
    """What becomes of a version that has been up for some seconds.

    Args:
        seconds: since it was ready.
        polled: whether its last poll succeeded.
        blameless: whether, if not, that is known to lie with others and to pass.
    """
    if polled:
        return Verdict.BLESS if seconds >= PROOF_SECONDS else Verdict.WAIT
    return Verdict.STEP_BACK if blameless and seconds >= BLAMELESS_SECONDS else Verdict.WAIT


def is_superseded(own: str, current: str | None, trial: Trial | None) -> bool:
    """Whether a running version is to make way: another is meant to run, and not on trial."""
    return trial is None and current is not None and current != own


def is_name(text: str) -> bool:
    """Whether a text may be the name of a version, and of its folder."""
    return _NAME.fullmatch(text) is not None
