"""What stands for the git server: it shows a tag, and counts who asks."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Source:
    """The source of releases.

    Attributes:
        before: tag that it shows at the beginning.
        release: tag that it shows from a moment on, or None.
        published: that moment; infinite where there is none.
        visits: second -> requests: one a poll, and another of whoever fetches a release.
    """

    before: str
    release: str | None = None
    published: float = math.inf
    visits: Counter[int] = field(default_factory=Counter)

    def polled(self, now: float) -> str:
        """The newest tag, for one who asks."""
        self.visits[int(now)] += 1
        if self.release is not None and now >= self.published:
            return self.release
        return self.before

    def fetched(self, now: float) -> None:
        """Somebody fetches a release."""
        self.visits[int(now)] += 1
