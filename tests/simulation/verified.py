"""Verified releases for tests of the pure core: signed, read and verified as on a machine."""

from __future__ import annotations

from typing import Unpack

from koprogo_agent.domain.root import read_root
from koprogo_agent.domain.rules import Memory, TrustPolicy
from koprogo_agent.domain.tags import read_tag
from koprogo_agent.domain.trust import VerifiedRelease, verify
from koprogo_agent.update.court import Court
from tests.simulation.clock import EPOCH
from tests.simulation.images import Registry
from tests.simulation.origin import Origin
from tests.simulation.releases import Publisher, Traits
from tests.simulation.signing import SimSignatures
from tests.simulation.trust import root


def verified(version: str, **traits: Unpack[Traits]) -> VerifiedRelease:
    """A release of a publisher of its own."""
    origin = Origin()
    ref = Publisher(origin, Registry()).publish(version, **traits)
    policy = TrustPolicy("koprogo", require_manifest=False)
    court = Court(SimSignatures(), read_root(root()), policy)
    return verify(court.case(read_tag(ref, origin.fetch(ref)), Memory(EPOCH), EPOCH))
