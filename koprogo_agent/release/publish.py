"""What is published of a release, or of a trust root, once all have signed who must."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from koprogo_agent.domain.freshness import Freshness, Rollout
from koprogo_agent.domain.root import Root
from koprogo_agent.domain.rules import Memory
from koprogo_agent.errors import Refused
from koprogo_agent.release import endorse
from koprogo_agent.release.draft import Draft
from koprogo_agent.release.freshening import Word
from koprogo_agent.release.product import Product
from koprogo_agent.release.publication import Publication, commit
from koprogo_agent.release.releases import Releases
from koprogo_agent.release.renewal import can_freshen, lacking, renew
from koprogo_agent.release.roots import file_name
from koprogo_agent.release.signing import Tally
from koprogo_agent.release.trust import TrustState, read_trust, require_root, root_path, tallies
from koprogo_agent.update.authority import FRESHNESS
from koprogo_agent.update.verdict import judge

_NO_KEY = "no freshness key is at hand; the job will, or: koprogo-release freshness --push"


def publish_release(
    product: Product, draft: Draft, rollout: Rollout | None, now: datetime
) -> Publication:
    """A release that is signed by all who must; where a freshness key is at hand, it is named.

    Raises:
        Refused: an agent that runs the last release would not accept it.
        NeedsOperator: there shall be a rollout, and no freshness key is at hand (codes `key.*`).
    """
    trust = product.trust(now)
    _require_acceptable(product, draft, trust, product.releases(trust.root, now), now)
    fresh = can_freshen(trust.root)
    if rollout is not None and not fresh:
        raise lacking(trust.root)
    tag = (draft.name, product.clone.store_tag(draft.raw))
    if not fresh:
        return Publication(tag=tag, note=f"freshness does not name {draft.name} yet: {_NO_KEY}")
    word = Word.of(trust.last)
    if rollout is not None:
        word = word.roll_out(draft.manifest.version, rollout)
    tags = {**product.clone.tags(), draft.ref: draft.raw}
    freshness = renew(product, trust, product.judged(tags, trust.root, now), word, now)
    branch = commit(product, trust.tip, {FRESHNESS: freshness}, f"Publish {draft.name}")
    return Publication(tag, branch, freshness)


def publish_root(product: Product, root: Root, now: datetime) -> Publication:
    """A trust root that is signed by all who must; freshness goes with it where that can be.

    Raises:
        Refused: an agent would not believe it.
    """
    trust = product.found_trust(now)
    if trust and root.envelope.sha256 in {one.envelope.sha256 for one in trust.roots}:
        note = "it was on the trust branch already"
        return Publication(branch=(product.branch.ref, trust.tip), note=note)
    current = trust.root if trust else None
    stand = tallies(current, root, product.signatures, now)
    _require_complete(root.subject, stand, file_name(root))
    require_root(current, root, product.signatures, now)
    path, tip = root_path(root.version), trust.tip if trust else None
    after = read_trust(
        tip or "", {**product.branch.files(tip), path: root.envelope.raw()}, product.signatures, now
    )
    files: dict[str, Root | Freshness] = {path: root}
    freshness, note = None, f"freshness must be renewed under it: {_NO_KEY}"
    if can_freshen(root):
        releases = product.releases(root, now)
        freshness = renew(product, after, releases, Word.of(after.last), now)
        files[FRESHNESS], note = freshness, ""
    branch = commit(product, tip, files, f"Publish {root.subject}")
    return Publication(branch=branch, freshness=freshness, note=note)


def _require_complete(subject: str, stand: Iterable[Tally], file: str) -> None:
    for tally in stand:
        if tally.missing:
            raise Refused(
                f"{tally.missing} more must sign {subject}, of these {tally.role.name} keys of"
                f" {tally.root}: {', '.join(tally.waiting)}",
                code="trust.threshold",
                advice=f"koprogo-release cosign {file}, or sign, each on their machine",
            )


def _require_acceptable(
    product: Product, draft: Draft, trust: TrustState, releases: Releases, now: datetime
) -> None:
    """What is published must be accepted by an agent that runs the last release."""
    if not draft.signature:
        tally = endorse.release_tally(draft, trust.root, product.signatures, now)
        _require_complete(draft.name, (tally,), draft.file_name)
    known = releases.of(draft.manifest.version)
    if known is not None and known.ref.oid != draft.ref.oid:
        raise Refused(
            f"there is another tag {draft.name} already",
            code="tag.taken",
            advice="a tag is never moved: prepare a higher version",
        )
    last = releases.verified[0] if releases.verified else None
    memory = Memory(
        first_seen=now,
        floor_version=last.version if last else None,
        floor_counter=releases.next_counter(None) - 1,
    )
    court = product.court(trust.root)
    refusal = judge(draft.ref, lambda: draft.raw, court, lambda: memory, now).refusal
    if refusal is not None:
        raise refusal
    endorse.require_right(product, draft, now)
