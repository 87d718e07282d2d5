"""Where the agent stands as a product of its own: for whoever asks, from its journal alone."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.selfupdate.own import JOURNAL, own_folder, own_settings
from koprogo_agent.settings import Settings
from koprogo_agent.update.memory import Memory, Quarantined
from koprogo_agent.update.outlook import Outlook, Waiting
from koprogo_agent.update.reading import JournalToRead
from koprogo_agent.update.standing import Polls, Standing
from koprogo_agent.update.trust_stand import read_trust_stand


@dataclass(frozen=True)
class OwnStanding:
    """What the agent knows of its own releases.

    Attributes:
        polls: how the looks at their source went.
        next: the release that it has chosen, or None.
        waiting: newer releases that are not installed now.
        put_aside: releases that failed here, and are not tried again.
        stale: why nobody vouches that what is seen is the newest, or an empty string.
    """

    polls: Polls
    next: str | None
    waiting: tuple[Waiting, ...]
    put_aside: tuple[Quarantined, ...]
    stale: str


def read_own_standing(settings: Settings, now: datetime) -> OwnStanding | None:
    """Reads it; None where the agent has never looked for releases of its own.

    Raises:
        NeedsOperator: its journal is there and cannot be read.
    """
    path = own_folder(settings) / JOURNAL
    if not path.exists():
        return None
    with closing(JournalToRead(path)) as journal:
        outlook = Outlook(journal, now)
        trust = read_trust_stand(journal, own_settings(settings), now)
        return OwnStanding(
            polls=Standing(journal).polls,
            next=outlook.candidate,
            waiting=tuple(outlook.waiting()),
            put_aside=tuple(Memory(journal.store).quarantined().values()),
            stale=trust.stale if trust else "",
        )
