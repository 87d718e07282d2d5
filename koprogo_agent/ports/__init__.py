"""One small Protocol per outside system.

The adapters implement these on the real systems; the simulation implements them in memory; one
contract suite runs on both. Every method raises only the errors of `koprogo_agent.errors`:
`RetryLater` for what is transient (network, engine restarting, image not published yet), the others
as their names say. No method leaves a half-made result that a second call would trip over.
"""

from __future__ import annotations

from koprogo_agent.ports.database import (
    BUSY,
    NO_CONNECTION,
    TO_MEND_A_RESTORE,
    UNRESTORABLE,
    Database,
    DatabaseAt,
    Dump,
    Session,
    Unrestorable,
    held_in_words,
)
from koprogo_agent.ports.fleet import Fleet
from koprogo_agent.ports.images import Images, LocalImage, PullProgress
from koprogo_agent.ports.machine import Clock, Files, Notifier, Supervisor
from koprogo_agent.ports.rooms import Room, Rooms
from koprogo_agent.ports.stack import HttpProbe, Prober, Project, RunResult, Stack, Variable
from koprogo_agent.ports.trust import Anchor, Listing, Signatures, Source
from koprogo_agent.ports.versions import ImageContents, Versions

__all__ = [
    "BUSY",
    "NO_CONNECTION",
    "TO_MEND_A_RESTORE",
    "UNRESTORABLE",
    "Anchor",
    "Clock",
    "Database",
    "DatabaseAt",
    "Dump",
    "Files",
    "Fleet",
    "HttpProbe",
    "ImageContents",
    "Images",
    "Listing",
    "LocalImage",
    "Notifier",
    "Prober",
    "Project",
    "PullProgress",
    "Room",
    "Rooms",
    "RunResult",
    "Session",
    "Signatures",
    "Source",
    "Stack",
    "Supervisor",
    "Unrestorable",
    "Variable",
    "Versions",
    "held_in_words",
]
