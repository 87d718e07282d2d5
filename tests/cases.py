"""A release as a case before the rules of trust, and the ways in which it may differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from koprogo_agent.domain import manifest as manifests
from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.cosignatures import write_cosignatures
from koprogo_agent.domain.quorum import Signer, Testimony
from koprogo_agent.domain.root import read_root
from koprogo_agent.domain.rules import Case, Memory, TrustPolicy, read_claim
from koprogo_agent.domain.tags import SignedTag, TagRef
from koprogo_agent.domain.trust import verify
from koprogo_agent.errors import Refused
from tests.simulation.signing import fingerprint
from tests.simulation.trust import Roles, root

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SEEN = NOW - timedelta(hours=1)
ISSUED, EXPIRES = datetime(2026, 11, 23, 11, tzinfo=UTC), datetime(2027, 11, 23, 11, tzinfo=UTC)
OID, COMMIT = "a" * 40, "c" * 40
PEOPLE = ("ann", "bob", "cem")
ROLES: Roles = {"root": (("dan",), 1), "release": (PEOPLE, 2), "freshness": (("job",), 1)}
ROOT = read_root(root(3, ROLES))
POLICY = TrustPolicy("koprogo", require_manifest=True)
LAX = replace(POLICY, require_manifest=False)


def signer(name: str) -> Signer:
    """Somebody who signed."""
    return Signer("ssh", fingerprint(name), name)


def by(*names: str, doubts: tuple[str, ...] = ()) -> Testimony:
    """What became of co-signatures: these people made the good ones."""
    return Testimony(tuple(signer(name) for name in names), doubts)


def document(**changes: object) -> dict[str, Any]:
    """The manifest of v1.2.0, with changes."""
    return {
        "format": 1,
        "product": "koprogo",
        "channel": "stable",
        "version": "1.2.0",
        "counter": 7,
        "commit": COMMIT,
        "images": {"backend": {"repository": "ghcr.io/k/b", "digest": f"sha256:{'1' * 64}"}},
        "files": {"docker-compose.yml": "2" * 64},
        "migrations": {"path": "backend/migrations", "works_with": []},
        "upgrade_from": [],
        "agent_min": "0.1.0",
        "severity": "routine",
        "issued": "2026-11-23T11:00:00Z",
        "expires": "2027-11-23T11:00:00Z",
        **changes,
    }


def tag(*cosignatures: str, **changes: object) -> SignedTag:
    """The tag v1.2.0 with a manifest that has these changes."""
    line = encode(document(**changes)).decode()
    block = f"{manifests.BEGIN}\n{line}\n{manifests.END}\n"
    message = f"Release\n\n{block}{write_cosignatures(cosignatures)}"
    return SignedTag(TagRef("v1.2.0", OID), COMMIT, message, b"", "")


BARE = replace(tag(), message="Release 1.2.0\n")
GOOD = Case(
    claim=read_claim(tag()),
    tagger=signer("ann"),
    cosigners=by("bob"),
    root=ROOT,
    policy=POLICY,
    memory=Memory(SEEN),
    at=NOW,
)


def case(candidate: SignedTag, policy: TrustPolicy = POLICY, at: datetime = NOW) -> Case:
    """The case of another tag, signed and judged as the good one."""
    return replace(GOOD, claim=read_claim(candidate), policy=policy, at=at)


def remembering(**memory: Any) -> Case:  # noqa: ANN401 - fields of Memory
    """The good case, for an agent with a past."""
    return replace(GOOD, memory=replace(GOOD.memory, **memory))


def refusal(broken: Case) -> Refused:
    """The refusal of a release."""
    with pytest.raises(Refused) as caught:
        verify(broken)
    assert caught.value.message[0].islower()
    assert "v1.2.0" in caught.value.message
    assert not caught.value.message.endswith(".")
    return caught.value
