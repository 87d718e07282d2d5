"""Freshness documents as they are made: the next after another, with what is to be otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from koprogo_agent.domain.canonical import MAX_REASON, MOST, instant
from koprogo_agent.domain.envelope import Envelope
from koprogo_agent.domain.freshness import (
    TYPE,
    Freshness,
    Highest,
    Rollout,
    read_freshness,
)
from koprogo_agent.domain.root import Root
from koprogo_agent.domain.versions import Version
from koprogo_agent.errors import NeedsOperator, Refused

VALID = timedelta(hours=48)
"""How long a freshness document is good, if nobody says otherwise."""


@dataclass(frozen=True)
class Word:
    """What the association says of its releases, apart from which there are.

    Attributes:
        held: version -> why nobody should take it now.
        yanked: version -> why nobody should ever take it.
        rollouts: version -> when whose turn is.
    """

    held: Mapping[Version, str]
    yanked: Mapping[Version, str]
    rollouts: Mapping[Version, Rollout]

    @classmethod
    def of(cls, said: Freshness | None) -> Word:
        """What was said last."""
        return cls({}, {}, {}) if said is None else cls(said.held, said.yanked, said.rollouts)

    def hold(self, version: Version, reason: str) -> Word:
        """Nobody should take it now.

        Raises:
            Refused: it was yanked, which is more.
        """
        self._require_not_yanked(version)
        return replace(self, held={**self.held, version: one_line(reason)})

    def release(self, version: Version) -> Word:
        """Whoever waits may take it.

        Raises:
            Refused: it is not held (code `freshness.not_held`).
        """
        if version not in self.held:
            raise Refused(f"v{version} is not held", code="freshness.not_held")
        return self._without_hold(version)

    def _without_hold(self, version: Version) -> Word:
        return replace(self, held={v: why for v, why in self.held.items() if v != version})

    def yank(self, version: Version, reason: str) -> Word:
        """Nobody should ever take it; whatever else was said of it is void."""
        without = self._without_hold(version)
        rollouts = {v: one for v, one in self.rollouts.items() if v != version}
        return replace(
            without, rollouts=rollouts, yanked={**self.yanked, version: one_line(reason)}
        )

    def roll_out(self, version: Version, rollout: Rollout) -> Word:
        """It reaches the fleet little by little; raises as `hold`."""
        self._require_not_yanked(version)
        return replace(self, rollouts={**self.rollouts, version: rollout})

    def without_ended(self, now: datetime) -> Word:
        """Without the rollouts in which everybody has had their turn."""
        left = {v: one for v, one in self.rollouts.items() if not _has_ended(one, now)}
        return replace(self, rollouts=left)

    def _require_not_yanked(self, version: Version) -> None:
        if version in self.yanked:
            raise Refused(
                f"v{version} was yanked: {self.yanked[version]}",
                code="freshness.yanked",
                advice="that is for ever; publish a new release",
            )


def next_freshness(
    root: Root,
    last: int,
    channels: Mapping[str, Highest],
    word: Word,
    now: datetime,
    valid: timedelta,
) -> Freshness:
    """The freshness document after another; nobody has signed it yet.

    Args:
        root: the newest trust root.
        last: the version of the one before it; 0 where there is none.
        channels: channel -> its newest release.
        word: what is said of releases.
        now: our own clock.
        valid: how long it is good.

    Raises:
        Refused: it would not be as its format says.
    """
    if last >= MOST:
        raise Refused(
            "the freshness document has the highest version that there can be",
            code="freshness.exhausted",
            advice="somebody misused its key: take the key out (koprogo-release rotate)",
        )
    document: dict[str, Any] = {
        "type": TYPE,
        "format": 1,
        "product": root.product,
        "version": last + 1,
        "root": root.version,
        "issued": instant(now),
        "expires": instant(now + valid),
        "channels": {
            name: {"version": str(one.version), "counter": one.counter}
            for name, one in channels.items()
        },
        "held": {str(version): why for version, why in word.held.items()},
        "yanked": {str(version): why for version, why in word.yanked.items()},
        "rollouts": {
            str(version): {
                "start": instant(one.start),
                "duration": one.duration,
                "share": one.share,
            }
            for version, one in word.without_ended(now).rollouts.items()
        },
    }
    return read_freshness(Envelope(document, ()).raw())


def signed(freshness: Freshness, signatures: tuple[str, ...]) -> Freshness:
    """The same with its signatures."""
    return read_freshness(Envelope(freshness.envelope.document, signatures).raw())


def _has_ended(rollout: Rollout, now: datetime) -> bool:
    everybody = rollout.share == 100  # noqa: PLR2004 - percent
    return everybody and now >= rollout.start + timedelta(seconds=rollout.duration)


def one_line(reason: str) -> str:
    """Return a reason as documents hold it: one line, not too long.

    Raises:
        NeedsOperator: it has too many characters (code `config.reason`).
    """
    text = " ".join(reason.split())
    if len(text) > MAX_REASON:
        raise NeedsOperator(
            f"the reason has {len(text)} characters; at most {MAX_REASON} are allowed",
            code="config.reason",
        )
    return text
