"""When a newer trust root or freshness document is believed, and until when.

The rules are those of The Update Framework (specification 1.0.33, sections 5.3 and 5.4).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from koprogo_agent.domain.freshness import Freshness
from koprogo_agent.domain.quorum import Testimony, require_quorum
from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.errors import Refused

CLOCK_SKEW = timedelta(minutes=10)
"""A release manager's clock may run ahead of ours by this much."""


def require_successor(current: Root, candidate: Root, testimony: Testimony, now: datetime) -> None:
    """The candidate must be the next version, by the word of the old keys and of the new ones.

    Expiry is not looked at: a version may have expired while this machine was off, and the newest
    one is what counts.

    Raises:
        Refused: codes `root.version`, `root.product`, `root.issued`, `root.not_yet`,
            `trust.threshold`, `signature.not_yet`.
    """
    if candidate.version != current.version + 1:
        raise Refused(
            f"the file of trust root {current.version + 1} holds version {candidate.version}",
            code="root.version",
        )
    if candidate.product != current.product:
        raise Refused(
            f"{candidate.subject} is for {candidate.product!r}, and the one before it for"
            f" {current.product!r}",
            code="root.product",
        )
    if candidate.issued < current.issued:
        raise Refused(
            f"{candidate.subject} says it was issued before {current.subject}, at"
            f" {candidate.issued.isoformat()}",
            code="root.issued",
        )
    _require_issued(candidate.subject, candidate.issued, now, "root.not_yet")
    # What the operator revoked here still counts in the candidate's own quorum: whoever it is that
    # the old keys let in, no machine must be left behind the chain for ever.
    # Signed long ago, perhaps by keys that have expired since: they were good when they signed.
    at = min(candidate.issued, now)
    for judge in (current, candidate):
        subject = f"{candidate.subject}, held against the keys of {judge.subject},"
        require_quorum(subject, testimony, judge, judge.role(RoleName.ROOT), at)


def require_fresher(
    candidate: Freshness,
    testimony: Testimony,
    root: Root,
    remembered: Freshness | None,
    now: datetime,
) -> None:
    """The candidate must be signed, and not older than what was seen before.

    That it has expired is no reason to refuse it: what it holds and yanks is still to be heeded.

    Args:
        candidate: the document.
        testimony: who signed it.
        root: the newest trust root that is believed.
        remembered: the newest one that was believed in this era of the role, or None.
        now: our own clock.

    Raises:
        Refused: codes `trust.threshold`, `freshness.product`, `freshness.root`,
            `freshness.rollback`, `freshness.forked`, `freshness.not_yet`.
    """
    require_quorum(candidate.subject, testimony, root, root.role(RoleName.FRESHNESS), now)
    if candidate.product != root.product:
        raise Refused(
            f"{candidate.subject} is for {candidate.product!r}, not {root.product!r}",
            code="freshness.product",
        )
    if candidate.root > root.version:
        raise Refused(
            f"{candidate.subject} was signed under trust root {candidate.root}, and the source"
            f" gives none newer than {root.version}",
            code="freshness.root",
            advice="the source is out of date, or somebody withholds the new trust root",
        )
    _require_not_older(candidate, remembered)
    _require_issued(candidate.subject, candidate.issued, now, "freshness.not_yet")


def root_expiry(root: Root, now: datetime) -> str:
    """That the trust root has expired, in words; empty while it has not."""
    return f"{root.subject} expired at {root.expires.isoformat()}" if now >= root.expires else ""


def staleness(root: Root, freshness: Freshness | None, now: datetime) -> str:
    """Why nobody vouches any more that what the source shows is the newest; empty if somebody does.

    From the instant of expiry on, not after it.
    """
    if expired := root_expiry(root, now):
        return expired
    if freshness is None:
        return "the source has shown no freshness document that is believed here"
    if now >= freshness.expires:
        return f"{freshness.subject} expired at {freshness.expires.isoformat()}"
    return ""


def _require_not_older(candidate: Freshness, remembered: Freshness | None) -> None:
    if remembered is None or candidate.version > remembered.version:
        return
    if candidate.version < remembered.version:
        raise Refused(
            f"{candidate.subject} is older than {remembered.subject}, which was seen before",
            code="freshness.rollback",
            advice="the source is out of date, or somebody turns time back",
        )
    if candidate.envelope.sha256 != remembered.envelope.sha256:
        raise Refused(
            f"{candidate.subject} is not the document of that version that was seen before",
            code="freshness.forked",
            advice="two documents were signed as one version; tell the release manager",
        )


def _require_issued(subject: str, issued: datetime, now: datetime, code: str) -> None:
    if issued > now + CLOCK_SKEW:
        raise Refused(
            f"{subject} says it was issued at {issued.isoformat()}, but it is"
            f" {now.isoformat(timespec='seconds')} here",
            code=code,
            advice="check this machine's clock: timedatectl",
        )
