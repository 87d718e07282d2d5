"""Would an instance accept a release: every rule of trust, and then what it would choose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from koprogo_agent import __version__
from koprogo_agent.domain.chain import staleness
from koprogo_agent.domain.choose import Circumstances, Reason, is_newer, why_not
from koprogo_agent.domain.freshness import Rollout
from koprogo_agent.domain.root import Root
from koprogo_agent.domain.rules import Memory, TrustPolicy
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.errors import Refused
from koprogo_agent.release.draft import Draft
from koprogo_agent.release.product import Product, signing_tools
from koprogo_agent.release.trust import TrustState
from koprogo_agent.update.court import Court
from koprogo_agent.update.verdict import Verdict, judge


@dataclass(frozen=True)
class Instance:
    """The instance that is thought of.

    Attributes:
        root: the version of the trust root that it was given; from there it walks to the newest.
        runs: the version that it runs, or None.
        counter: the highest counter that it has seen; None for that of what it runs.
    """

    root: int = 1
    runs: Version | None = None
    counter: int | None = None


@dataclass(frozen=True)
class Opinion:
    """What an instance would make of a release.

    Attributes:
        verdict: what became of the rules of trust.
        root: the trust root by which it judges, the newest that it comes to.
        newer: whether the release is above what it runs.
        reason: why it would not install the release now; None where it would, or does not trust it.
        rollout: how the release reaches the fleet, if little by little.
    """

    verdict: Verdict
    root: Root
    newer: bool = False
    reason: Reason | None = None
    rollout: Rollout | None = None

    @property
    def installs(self) -> bool:
        """Whether it would install the release now, or when its turn in the rollout comes."""
        return self.verdict.release is not None and self.newer and self.reason is None


def verify_release(product: Product, text: str, instance: Instance, now: datetime) -> Opinion:
    """What an instance would make of a release that is published.

    Raises:
        Refused: there is no such tag here (code `version.unknown`).
        NeedsOperator: there is no such trust root (code `root.none`).
    """
    version = parse_version(text.removeprefix("v"))
    for ref, raw in product.clone.tags().items():
        if ref.name == f"v{version}":
            return _opinion(product, ref, raw, instance, now)
    raise Refused(
        f"this clone has no release v{version}",
        code="version.unknown",
        advice="git fetch --tags; koprogo-release status lists those that there are",
    )


def verify_draft(
    product: Product | None, draft: Draft, instance: Instance, now: datetime
) -> Opinion:
    """What an instance would make of a draft, if it were published as it is.

    Args:
        product: the product; None where there is no clone, which leaves the draft's own trust root.
        draft: the draft.
        instance: the instance that is thought of.
        now: our own clock.
    """
    if product is not None and product.branch.tip() is not None:
        return _opinion(product, draft.ref, draft.raw, instance, now)
    policy = TrustPolicy(draft.manifest.product, require_manifest=True)
    court = Court(signing_tools(), draft.root, policy)
    memory = Memory(now, instance.runs, instance.counter or 0)
    verdict = judge(draft.ref, lambda: draft.raw, court, lambda: memory, now)
    return _chosen(verdict, draft.root, None, instance, now)


def _opinion(
    product: Product, ref: TagRef, raw: bytes, instance: Instance, now: datetime
) -> Opinion:
    trust = product.trust(now, instance.root)
    counter = instance.counter
    if counter is None:
        counter = _counter_of(product, trust.root, instance.runs, now)
    memory = Memory(now, instance.runs, counter)
    verdict = judge(ref, lambda: raw, product.court(trust.root), lambda: memory, now)
    return _chosen(verdict, trust.root, trust, instance, now)


def _counter_of(product: Product, root: Root, runs: Version | None, now: datetime) -> int:
    """The counter of what the instance runs, where that is a release that is known here."""
    tagged = product.releases(root, now).of(runs) if runs else None
    return tagged.manifest.counter if tagged and tagged.manifest else 0


def _chosen(
    verdict: Verdict, root: Root, trust: TrustState | None, instance: Instance, now: datetime
) -> Opinion:
    release = verdict.release
    if release is None:
        return Opinion(verdict, root)
    freshness = trust.freshness if trust else None
    here = _circumstances(release, trust, instance, now)
    return Opinion(
        verdict,
        root,
        newer=is_newer(release.version, here),
        reason=why_not(release, here),
        rollout=freshness.rollouts.get(release.version) if freshness else None,
    )


def _circumstances(
    release: VerifiedRelease, trust: TrustState | None, instance: Instance, now: datetime
) -> Circumstances:
    """An instance that keeps the defaults, and follows the channel of the release."""
    return Circumstances(
        installed=instance.runs,
        floor=instance.runs,
        agent=parse_version(__version__),
        channel=release.manifest.channel if release.manifest else "stable",
        quarantined=frozenset(),
        at=now,
        freshness=trust.freshness if trust else None,
        stale=staleness(trust.root, trust.freshness, now) if trust else "",
        # which instance has its turn when is told in general, by the rollout
        waits_its_turn=False,
    )
