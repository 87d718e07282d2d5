"""What kinds of instances are counted. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from koprogo_agent.fleet.domain.instances import Instance, Presence

ABSENT = frozenset(Presence) - {Presence.REPORTING}
"""In place of a state, these say how absent an instance is."""


class Census(NamedTuple):
    """A kind of instance that is counted.

    Attributes:
        installed: tag, or an empty string.
        state: as it reports; where it does not report, how absent it is.
        verified: whether the association knows it.
    """

    installed: str
    state: str
    verified: bool

    @property
    def presence(self) -> Presence:
        """Whether those of this kind still report."""
        return Presence(self.state) if self.state in ABSENT else Presence.REPORTING


def kind_of(one: Instance, presence: Presence) -> Census:
    """The kind of an instance: who does not report is counted as that, whatever its last state."""
    state = one.stand.state if presence is Presence.REPORTING else presence
    return Census(one.stand.installed or "", str(state), verified=one.verified)


class Who(StrEnum):
    """Of whom something is said: anybody can enrol, so whom the association knows counts apart."""

    ALL = "all"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"

    def takes(self, kind: Census) -> bool:
        """Whether instances of this kind are among them."""
        return self is Who.ALL or kind.verified is (self is Who.VERIFIED)


class Installed(NamedTuple):
    """How many had a version at a moment.

    Attributes:
        at: the moment.
        installed: tag, or an empty string.
        hours: for how long that counts.
        reporting: how many of them reported.
        absent: how many did not, and may run anything by now.
    """

    at: int
    installed: str
    hours: int
    reporting: int
    absent: int
