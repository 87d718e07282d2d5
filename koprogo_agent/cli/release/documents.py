"""What `koprogo-release` prints with `--json`. The keys are a promise: joined, never renamed."""

from __future__ import annotations

from typing import Any

from koprogo_agent.cli import verdicts
from koprogo_agent.cli.words import iso
from koprogo_agent.domain.freshness import Freshness, Rollout
from koprogo_agent.domain.root import Root
from koprogo_agent.release.releases import Tagged
from koprogo_agent.release.signing import Tally
from koprogo_agent.release.status import Lying, Standing
from koprogo_agent.release.verify import Opinion


def of_opinion(opinion: Opinion) -> dict[str, Any]:
    """What an instance would make of a release."""
    reason = opinion.reason
    return {
        **verdicts.document(opinion.verdict),
        "root": opinion.root.version,
        "newer": opinion.newer,
        "waits": {"gate": str(reason.waits), "detail": reason.detail} if reason else None,
        "rollout": _rollout(opinion.rollout) if opinion.rollout else None,
        "installs": opinion.installs,
    }


def of_standing(found: Standing) -> dict[str, Any]:
    """How it stands."""
    trust = found.trust
    return {
        "root": _root(trust.root) if trust else None,
        "freshness": _freshness(trust.freshness) if trust and trust.freshness else None,
        "stale": found.stale or None,
        "releases": [_tagged(one) for one in found.releases.tagged] if found.releases else [],
        "warnings": list(found.warnings),
        "drafts": [_draft(one) for one in found.drafts],
    }


def _root(root: Root) -> dict[str, Any]:
    return {
        "version": root.version,
        "sha256": root.envelope.sha256,
        "issued": iso(root.issued),
        "expires": iso(root.expires),
        "keys": {
            key.name: {"kind": str(key.kind), "fingerprint": key.fingerprint} for key in root.keys
        },
        "roles": {
            str(name): {"threshold": role.threshold, "keys": [key.name for key in role.keys]}
            for name, role in root.roles.items()
        },
    }


def _freshness(freshness: Freshness) -> dict[str, Any]:
    return {
        "version": freshness.version,
        "root": freshness.root,
        "issued": iso(freshness.issued),
        "expires": iso(freshness.expires),
        "channels": {
            name: {"version": str(one.version), "counter": one.counter}
            for name, one in freshness.channels.items()
        },
        "held": {str(version): why for version, why in freshness.held.items()},
        "yanked": {str(version): why for version, why in freshness.yanked.items()},
        "rollouts": {str(version): _rollout(one) for version, one in freshness.rollouts.items()},
    }


def _rollout(rollout: Rollout) -> dict[str, Any]:
    return {
        "start": iso(rollout.start),
        "duration": rollout.duration,
        "share": rollout.share,
    }


def _tagged(one: Tagged) -> dict[str, Any]:
    manifest = one.manifest
    return {
        "tag": one.ref.name,
        "oid": one.ref.oid,
        "trusted": one.release is not None,
        "counter": manifest.counter if manifest else None,
        "channel": manifest.channel if manifest else None,
        "expires": iso(manifest.expires) if manifest else None,
        "signers": [signer.name for signer in one.release.signers] if one.release else [],
        "code": one.refusal.code if one.refusal else None,
        "message": one.refusal.message if one.refusal else None,
    }


def _draft(one: Lying) -> dict[str, Any]:
    return {
        "file": str(one.path),
        "subject": one.subject or None,
        "published": one.published,
        "fault": one.fault or None,
        "signatures": [_tally(tally) for tally in one.tallies],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "root": tally.root,
        "role": str(tally.role.name),
        "threshold": tally.role.threshold,
        "signers": [one.name for one in tally.signers],
        "missing": tally.missing,
        "waiting": list(tally.waiting),
    }
