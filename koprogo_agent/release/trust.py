"""The trust branch as it is believed: the chain of trust roots, and the freshness document.

The rules are the agent's. What differs is where one begins: the agent with the root that its
machine was given, the release manager with the first that was ever published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.chain import require_fresher, require_successor
from koprogo_agent.domain.freshness import Freshness, read_freshness
from koprogo_agent.domain.quorum import require_quorum
from koprogo_agent.domain.root import RoleName, Root, read_root
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.ports import Signatures
from koprogo_agent.release.signing import Tally, count
from koprogo_agent.update.authority import FRESHNESS, ROOTS
from koprogo_agent.update.court import hear


@dataclass(frozen=True)
class TrustState:
    """What the trust branch holds.

    Attributes:
        tip: the commit at which it stands.
        roots: the trust roots that are believed, oldest first.
        freshness: the freshness document, where the newest root's keys vouch for it.
        last: the freshness document that the next one goes on from: the same, or one for which
            only the root vouches that it names, whose keys were taken out since.
        doubts: why the rest is not believed.
    """

    tip: str
    roots: tuple[Root, ...]
    freshness: Freshness | None
    last: Freshness | None
    doubts: tuple[Refused, ...]

    @property
    def root(self) -> Root:
        """The newest trust root."""
        return self.roots[-1]


def root_path(version: int) -> str:
    """Where the trust branch keeps a version of the trust root."""
    return f"{ROOTS}/{version}.json"


def read_trust(
    tip: str,
    files: Mapping[str, bytes],
    signatures: Signatures,
    now: datetime,
    first: int = 1,
) -> TrustState:
    """Walks from one version of the trust root to the newest, and reads the freshness document.

    Args:
        tip: the commit that the files are of.
        files: path -> content.
        signatures: the tools that check signatures.
        now: our own clock.
        first: the version to begin with.

    Raises:
        NeedsOperator: the branch does not have that version (code `root.none`).
        Refused: not even that version is what it should be.
    """
    roots, doubts = _walk(files, signatures, now, first)
    freshness = last = None
    raw = files.get(FRESHNESS)
    if raw is not None:
        try:
            last = read_freshness(raw)
            freshness = _believed(last, roots[-1:], signatures, now)
        except Refused as error:
            doubts = (*doubts, error)
            last = last and _inherited(last, roots, signatures, now)
    return TrustState(tip, roots, freshness, last, doubts)


def require_root(
    current: Root | None, candidate: Root, signatures: Signatures, now: datetime
) -> None:
    """The candidate must be the first trust root, or the next, with all signatures that it needs.

    Raises:
        Refused: as `require_successor`.
    """
    keys = (*(current.keys if current else ()), *candidate.keys)
    at = min(candidate.issued, now)
    testimony = hear(signatures, candidate.statements, keys, at)
    if current is not None:
        require_successor(current, candidate, testimony, now)
        return
    role = candidate.role(RoleName.ROOT)
    require_quorum(candidate.subject, testimony, candidate, role, at)


def tallies(
    current: Root | None, candidate: Root, signatures: Signatures, now: datetime
) -> tuple[Tally, ...]:
    """How far the signing of a trust root has come, by the keys before it and by its own."""
    judges = (*((current,) if current else ()), candidate)
    keys = [key for judge in judges for key in judge.keys]
    at = min(candidate.issued, now)
    testimony = hear(signatures, candidate.statements, keys, at)
    return tuple(count(testimony, judge, RoleName.ROOT, at) for judge in judges)


def _walk(
    files: Mapping[str, bytes], signatures: Signatures, now: datetime, first: int
) -> tuple[tuple[Root, ...], tuple[Refused, ...]]:
    raw = files.get(root_path(first))
    if raw is None:
        raise NeedsOperator(
            f"the trust branch has no trust root {first}",
            code="root.none",
            advice="koprogo-release status names the newest that is known here; or: git fetch",
        )
    roots = [read_root(raw)]
    require_root(None, roots[0], signatures, now)
    while (raw := files.get(root_path(roots[-1].version + 1))) is not None:
        try:
            candidate = read_root(raw)
            require_root(roots[-1], candidate, signatures, now)
        except Refused as error:
            return tuple(roots), (error,)
        roots.append(candidate)
    return tuple(roots), ()


def _believed(
    freshness: Freshness, roots: Sequence[Root], signatures: Signatures, now: datetime
) -> Freshness:
    """The document, if one of these roots vouches for it.

    Raises:
        Refused: none does; why the last of them does not.
    """
    refusal = Refused(f"no trust root vouches for {freshness.subject}", code="freshness.root")
    for root in roots:
        try:
            testimony = hear(signatures, freshness.statements, root.keys, now)
            require_fresher(freshness, testimony, root, None, now)
        except Refused as error:
            refusal = error
        else:
            return freshness
    raise refusal


def _inherited(
    freshness: Freshness, roots: Sequence[Root], signatures: Signatures, now: datetime
) -> Freshness | None:
    """The document, if the root vouches for it that was the newest when it was signed.

    So what was held or yanked stays so when the key that said it is taken out.
    """
    named = [root for root in roots if root.version == freshness.root]
    try:
        return _believed(freshness, named, signatures, now)
    except Refused:
        return None
