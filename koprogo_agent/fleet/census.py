"""What kinds of instances are counted. Pure."""

from __future__ import annotations

from typing import NamedTuple

from koprogo_agent.fleet.instances import Instance, Presence

_ABSENT = frozenset(Presence) - {Presence.REPORTING}


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
        return Presence(self.state) if self.state in _ABSENT else Presence.REPORTING


def kind_of(one: Instance, presence: Presence) -> Census:
    """The kind of an instance: who does not report is counted as that, whatever its last state."""
    state = one.stand.state if presence is Presence.REPORTING else presence
    return Census(one.stand.installed or "", str(state), verified=one.verified)
