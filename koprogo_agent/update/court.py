"""Holds signatures and releases against the rules: the one way from bytes to a `VerifiedRelease`.

The agent and the release manager's tool both come by here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from koprogo_agent.domain.armour import Statement
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.quorum import Signer, Testimony
from koprogo_agent.domain.root import Root
from koprogo_agent.domain.rules import Case, Memory, TrustPolicy, read_claim
from koprogo_agent.domain.tags import SignedTag
from koprogo_agent.errors import Refused
from koprogo_agent.ports import Signatures


def hear(
    signatures: Signatures, statements: Iterable[Statement], keys: Sequence[Key], at: datetime
) -> Testimony:
    """What becomes of signatures: one that is not good does not spoil the others."""
    signers: list[Signer] = []
    doubts: list[str] = []
    for statement in statements:
        try:
            signers.append(signatures.signer(statement, keys, at))
        except Refused as error:
            doubts.append(error.message)
    return Testimony(tuple(signers), tuple(doubts))


@dataclass(frozen=True)
class Court:
    """What does not change from release to release.

    Attributes:
        signatures: the tools that check signatures.
        root: the newest trust root that is believed.
        policy: what the operator demands.
    """

    signatures: Signatures
    root: Root
    policy: TrustPolicy

    def case(self, tag: SignedTag, memory: Memory, now: datetime) -> Case:
        """Everything that a release is judged by.

        Its manifest is not read before somebody whom the trust root knows has signed the tag.

        Raises:
            Refused: nobody has, or what the tag says of itself is not as the formats say.
        """
        at, keys = memory.first_seen, self.root.keys
        tagger = self.signatures.signer(tag.statement, keys, at)
        claim = read_claim(tag)
        cosigners = hear(self.signatures, claim.cosignatures, keys, at)
        return Case(claim, tagger, cosigners, self.root, self.policy, memory, now)
