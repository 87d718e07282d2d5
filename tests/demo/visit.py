"""What whoever looks at the dashboard needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Visit:
    """A visit to the dashboard.

    Attributes:
        address: of the fleet server.
        name: of whoever looks.
        password: theirs.
        tag: the release whose page is of interest.
        then: a moment that is worth going back to, as the dashboard shows moments.
    """

    address: str
    name: str
    password: str
    tag: str
    then: datetime
