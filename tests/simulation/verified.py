"""Verified releases for tests of the pure core: signed, read and verified as on a machine."""

from __future__ import annotations

from typing import Unpack

from koprogo_agent.domain.tags import read_tag
from koprogo_agent.domain.trust import Memory, TrustPolicy, VerifiedRelease, verify
from tests.simulation.clock import EPOCH
from tests.simulation.images import Registry
from tests.simulation.origin import Origin, Trust
from tests.simulation.releases import Publisher, Traits


def verified(version: str, **traits: Unpack[Traits]) -> VerifiedRelease:
    """A release of a publisher of its own."""
    origin = Origin()
    ref = Publisher(origin, Registry()).publish(version, **traits)
    tag = read_tag(ref, origin.fetch(ref))
    signer = Trust().check(tag, EPOCH)
    policy = TrustPolicy("koprogo", require_manifest=False)
    return verify(tag, signer, EPOCH, policy, Memory(), EPOCH)
