"""Observe: what the source offers, which of it is trusted, and what was refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog

from koprogo_agent import __version__
from koprogo_agent.domain.deployment import Floor
from koprogo_agent.domain.root import RoleName
from koprogo_agent.domain.rules import Memory as TrustMemory
from koprogo_agent.domain.tags import TagRef, read_tag
from koprogo_agent.domain.trust import VerifiedRelease, verify
from koprogo_agent.domain.versions import Version, parse_tag, parse_version
from koprogo_agent.errors import Refused
from koprogo_agent.settings import Settings
from koprogo_agent.update.authority import Authority
from koprogo_agent.update.memory import JUDGED_AGAIN, Memory, Refusal
from koprogo_agent.update.world import World

log = structlog.get_logger()

_MOST_VERIFIED = 20
"""Tags verified in one tick: a source full of bad tags must not keep the agent busy for ever.

What is known to be refused is no work, and does not count: the good release behind any number of
bad ones has its turn a few ticks later.
"""

FORWARD = "forward this to the association; nothing was changed on this machine"
"""What an operator can do about a release that is refused, where the rule itself has no advice."""

_PASSING = {"trust.not_yet", "trust.expired", "signature.not_yet"}
"""Refusals that depend on the time of day: judged anew at each poll, and kept only to be told."""

_OF_THE_SOURCE = "source."
"""Beginning of the codes of what came in the place of an object: the object may be a good one."""


@dataclass(frozen=True)
class Offer:
    """A ref whose name is a version."""

    ref: TagRef
    version: Version


def offers(refs: Iterable[TagRef]) -> list[Offer]:
    """The refs whose names are versions, newest first; others are no releases."""
    found = []
    for ref in refs:
        try:
            found.append(Offer(ref, parse_tag(ref.name)))
        except Refused:
            continue  # `nightly`, `docs-2026`: a repository may have tags that are not ours
    return sorted(found, key=lambda offer: offer.version, reverse=True)


class Releases:
    """Verifies tags, each object once, and remembers what was refused."""

    def __init__(
        self, world: World, settings: Settings, memory: Memory, authority: Authority
    ) -> None:
        self._world = world
        self._authority = authority
        self._settings = settings
        self._memory = memory

    def trusted(
        self, candidates: Iterable[Offer], floor: Floor | None
    ) -> Iterator[VerifiedRelease]:
        """The verified releases among the offers, in their order; the rest is refused."""
        left, trust = _MOST_VERIFIED, self._trust_state()
        for offer in candidates:
            if self._known(offer.ref, trust) is not None:
                continue
            left -= 1
            if left < 0:
                log.warning("source.many_tags", most=_MOST_VERIFIED)
                return
            try:
                yield self.verify(offer.ref, floor)
            except Refused as error:
                log.debug("tag.refused", tag=offer.ref.name, code=error.code)

    def verify(self, ref: TagRef, floor: Floor | None) -> VerifiedRelease:
        """Applies every rule to one tag.

        Raises:
            Refused: a rule is broken; the bytes are kept as evidence, and the refusal is logged
                once.
            RetryLater: the source cannot be reached.
        """
        trust = self._trust_state()
        known = self._known(ref, trust)
        if known is not None:
            raise Refused(known.message, code=known.code, advice=FORWARD)
        raw: bytes | None = None
        try:
            # A name that is no version is refused before anything is fetched under it.
            parse_tag(ref.name)
            raw = self._world.source.fetch(ref)
            return self._judge(ref, raw, floor)
        except Refused as error:
            self._refuse(ref, error, trust, raw)
            advice = error.advice or FORWARD
            raise Refused(error.message, code=error.code, advice=advice) from error

    def remembered(self, ref: TagRef, floor: Floor | None) -> TrustMemory:
        """What is remembered that a tag is judged by; one that is new is first seen now."""
        sighting = self._memory.sightings().get(ref.name)
        era = self._authority.root.role(RoleName.RELEASE).era
        return TrustMemory(
            first_seen=sighting.first_seen if sighting else self._world.clock.now(),
            floor_version=parse_version(floor.version) if floor else None,
            floor_counter=floor.counter_in(era) if floor else 0,
            first_oid=sighting.oid if sighting else None,
        )

    def moved(self, refs: Iterable[TagRef]) -> list[TagRef]:
        """The tags that point at another object than when they were first seen."""
        seen = self._memory.sightings()
        return [ref for ref in refs if ref.name in seen and seen[ref.name].oid != ref.oid]

    def kept_out(self, refs: Iterable[TagRef]) -> list[TagRef]:
        """The tags that were refused as the objects that they are now."""
        refused = self._memory.refused()
        return [ref for ref in refs if (ref.name, ref.oid) in refused]

    def _known(self, ref: TagRef, trust: str) -> Refusal | None:
        """The refusal of a tag that cannot be judged otherwise today, or None."""
        known = self._memory.refusal(ref, trust)
        if known is None or known.code in _PASSING:
            return None
        age = self._world.clock.now() - known.at
        return None if known.code.startswith(_OF_THE_SOURCE) and age >= JUDGED_AGAIN else known

    def _judge(self, ref: TagRef, raw: bytes, floor: Floor | None) -> VerifiedRelease:
        now, tag = self._world.clock.now(), read_tag(ref, raw)
        memory = self.remembered(ref, floor)
        release = verify(self._authority.court.case(tag, memory, now))
        # Only now: else whoever may push a tag for an hour could keep a version out for ever.
        self._memory.sight(ref, now)
        return release

    def _refuse(self, ref: TagRef, error: Refused, trust: str, raw: bytes | None) -> None:
        now = self._world.clock.now()
        if self._memory.refuse(ref, error, trust, now, raw):
            log.error("tag.refused", tag=ref.name, oid=ref.oid, code=error.code, why=error.message)
            said = f"{error.message}\n{error.advice or FORWARD}"
            self._world.notifier.tell(f"KoproGo: release {ref.name} was refused", said)

    def _trust_state(self) -> str:
        """Changes with everything that a refusal depends on besides the bytes and the time."""
        parts = (
            __version__,
            self._settings.trust.model_dump_json(),
            self._authority.ground,
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
