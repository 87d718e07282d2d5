"""What the engine says while it pulls, added up, and held against the limits of a pull.

The engine itself waits for ever for a registry that sends a byte now and then, and stores whatever
one sends until the disk is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from koprogo_agent.adapters.images import faults
from koprogo_agent.ports import PullProgress

_DONE = frozenset({"Download complete", "Pull complete"})


@dataclass(frozen=True)
class Limits:
    """What a pull may cost.

    Attributes:
        silence: seconds that may go by without a sign of life.
        pace: bytes a second that must come, on average over such a time, while layers are fetched.
        size: bytes that one image may bring.
    """

    silence: float
    pace: float
    size: int


class Layers:
    """The layers of one pull."""

    def __init__(self, reference: str, limits: Limits) -> None:
        self._reference = reference
        self._limits = limits
        self._received: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._since, self._before = monotonic(), 0

    @property
    def progress(self) -> PullProgress:
        """Bytes received, and the total as far as it is known."""
        received = sum(self._received.values())
        return PullProgress(self._reference, received, max(received, sum(self._total.values())))

    def take(self, event: Mapping[str, Any]) -> bool:
        """Takes an event of the engine; says whether it moved anything.

        Raises:
            RetryLater: the pull goes beyond a limit.
        """
        layer, status = event.get("id", ""), event.get("status", "")
        detail = event.get("progressDetail") or {}
        before = self.progress
        if status == "Downloading":
            self._total[layer] = max(detail.get("total", 0), 0)
            self._received[layer] = detail.get("current", 0)
            self._require_pace()
        elif status in _DONE and layer in self._total:
            self._received[layer] = max(self._total[layer], self._received[layer])
        elif status == "Extracting":
            self._begin_window()  # the disk is at work, and the network may have to wait for it
        if self.progress.received > self._limits.size:
            raise faults.too_large(self._reference, self._limits.size)
        return self.progress != before

    def _require_pace(self) -> None:
        seconds = monotonic() - self._since
        if seconds < self._limits.silence:
            return
        if self.progress.received - self._before < self._limits.pace * seconds:
            raise faults.dripping(self._reference, self._limits.pace)
        self._begin_window()

    def _begin_window(self) -> None:
        self._since, self._before = monotonic(), self.progress.received
