"""The releases that there are: tags whose names are versions, each judged as on its first day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.canonical import MOST
from koprogo_agent.domain.freshness import Freshness, Highest
from koprogo_agent.domain.manifest import Manifest
from koprogo_agent.domain.rules import Memory, TrustPolicy, read_claim
from koprogo_agent.domain.tags import TagRef, read_tag
from koprogo_agent.domain.trust import VerifiedRelease, verify
from koprogo_agent.domain.versions import Version, parse_tag
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.ports import Signatures
from koprogo_agent.release.changes import Changes, changes
from koprogo_agent.release.draft import Draft
from koprogo_agent.update.court import Court


@dataclass(frozen=True)
class Tagged:
    """A tag whose name is a version.

    Attributes:
        raw: the bytes of what it points at.
        claimed: the manifest in it, whoever signed it; None where there is none.
        release: the release, if it was one on the day when it was issued.
        refusal: why it was none, where it was not.
    """

    ref: TagRef
    version: Version
    raw: bytes
    claimed: Manifest | None
    release: VerifiedRelease | None
    refusal: Refused | None

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of a release; None where it is none."""
        return self.release.manifest if self.release else None


@dataclass(frozen=True)
class Releases:
    """All of them, newest first."""

    tagged: tuple[Tagged, ...]

    @property
    def verified(self) -> tuple[VerifiedRelease, ...]:
        """Those that the trust root's keys vouch for, newest first."""
        return tuple(one.release for one in self.tagged if one.release)

    @property
    def newest(self) -> Tagged | None:
        """The tag with the highest version, whoever made it."""
        return self.tagged[0] if self.tagged else None

    @property
    def last(self) -> Tagged | None:
        """The newest release; where none is verified, as in the beginning, the newest tag."""
        return next((one for one in self.tagged if one.release), self.newest)

    def of(self, version: Version) -> Tagged | None:
        """The tag of a version."""
        return next((one for one in self.tagged if one.version == version), None)

    def channels(self) -> dict[str, Highest]:
        """The newest release of each channel."""
        found: dict[str, Highest] = {}
        for release in self.verified:
            if release.manifest is not None:
                highest = Highest(release.version, release.manifest.counter)
                found.setdefault(release.manifest.channel, highest)
        return found

    def next_counter(self, said: Freshness | None) -> int:
        """A counter above all that instances may have seen.

        Args:
            said: the freshness document, which may know of a release whose key has expired since.

        Raises:
            NeedsOperator: there is none left (code `counter.exhausted`).
        """
        counters = [one.manifest.counter for one in self.verified if one.manifest]
        counters += [one.counter for one in said.channels.values()] if said else []
        highest = max(counters, default=0)
        if highest >= MOST:
            raise NeedsOperator(
                "the counter of releases has come to its end",
                code="counter.exhausted",
                advice="somebody misused a key: take it out of the trust root (koprogo-release"
                " rotate), then instances begin to count anew",
            )
        return highest + 1


def read_releases(tags: Mapping[TagRef, bytes], court: Court, now: datetime) -> Releases:
    """Judges tags, each as an instance did that first saw it on the day when it was issued.

    So a release stays one when it, or a key that signed it, has expired since.
    """
    read = (_read(ref, raw, court, now) for ref, raw in tags.items())
    return Releases(tuple(sorted(read, key=lambda one: one.version, reverse=True)))


def lost(before: Iterable[VerifiedRelease], after: Releases) -> tuple[VerifiedRelease, ...]:
    """The releases that are none any more under another trust root."""
    left = {release.oid for release in after.verified}
    return tuple(release for release in before if release.oid not in left)


def changes_in(draft: Draft, signatures: Signatures, now: datetime) -> Changes | None:
    """What is new in a draft since the release before it, which the file brings along.

    Returns:
        None where that release is not vouched for: then nobody knows what to compare with.
    """
    before = draft.before
    if before is None:
        return changes(None, draft.manifest)
    court = Court(
        signatures, draft.root, TrustPolicy(draft.manifest.product, require_manifest=True)
    )
    found = read_releases({before.tag.ref: draft.since.encode()}, court, now)
    return changes(found.verified[0].manifest, draft.manifest) if found.verified else None


def _read(ref: TagRef, raw: bytes, court: Court, now: datetime) -> Tagged:
    version, claimed = parse_tag(ref.name), None
    try:
        tag = read_tag(ref, raw)
        claimed = read_claim(tag).manifest
        issued = min(claimed.issued, now) if claimed else now
        release = verify(court.case(tag, Memory(issued), issued))
    except Refused as error:
        return Tagged(ref, version, raw, claimed, None, error)
    return Tagged(ref, version, raw, claimed, release, None)
