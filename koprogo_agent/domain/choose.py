"""Releases seen, and what is known here -> the candidate, and for every other release why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from koprogo_agent.domain.freshness import Freshness, place
from koprogo_agent.domain.manifest import Manifest
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.domain.versions import Version, permits


class Waits(StrEnum):
    """The gate that a release waits for, or is kept out by."""

    YANKED = "yanked"
    QUARANTINE = "quarantine"
    CHANNEL = "channel"
    PRERELEASE = "prerelease"
    AGENT = "agent"
    STEP = "step"
    HOLD = "hold"
    STALE = "stale"
    STOPPED = "stopped"
    MANUAL = "manual"
    BACKOFF = "backoff"
    WINDOW = "window"
    ROLLOUT = "rollout"


@dataclass(frozen=True)
class Circumstances:
    """What is known here when a release is chosen.

    Attributes:
        installed: the version that runs, or None before the first installation.
        floor: the lowest version that may ever be installed, or None.
        agent: the version of this agent.
        channel: the channel that the operator chose.
        quarantined: fingerprints of releases that failed here.
        at: the time by our own clock.
        held: why the agent changes nothing, or an empty string.
        postponed: fingerprint -> why the next try of a release is later, and when.
        automatic: whether the agent installs releases by itself.
        window_open: whether the operator's update window is open.
        instance: the random name of this instance: gives it its place in rollouts.
        freshness: what the association says of its releases now, or None.
        stale: why nobody vouches that what is seen is the newest, or an empty string.
        waits_its_turn: whether rollouts are waited for.
    """

    installed: Version | None
    floor: Version | None
    agent: Version
    channel: str
    quarantined: frozenset[str]
    at: datetime
    postponed: Mapping[str, str] = field(default_factory=dict)
    held: str = ""
    automatic: bool = True
    window_open: bool = True
    instance: str = ""
    freshness: Freshness | None = None
    stale: str = ""
    waits_its_turn: bool = True


@dataclass(frozen=True)
class Reason:
    """Why a release is not installed now."""

    tag: str
    waits: Waits
    detail: str


@dataclass(frozen=True)
class Choice:
    """The candidate, if there is one, and why the others are not.

    Attributes:
        candidate: the release to install now.
        reasons: one for every newer release that is not the candidate, newest first.
    """

    candidate: VerifiedRelease | None
    reasons: tuple[Reason, ...]


def choose(releases: Iterable[VerifiedRelease], here: Circumstances) -> Choice:
    """The newest release that may be installed now, and the reasons against the newer ones.

    The releases come newest first and are taken one by one, so that none is verified in vain. A
    release that one cannot come to directly (`upgrade_from`) is passed over in favour of a lower
    one that is the step towards it.
    """
    reasons: list[Reason] = []
    for release in releases:
        reason = why_not(release, here)
        if reason is None:
            return Choice(release, tuple(reasons))
        reasons.append(reason)
    return Choice(None, tuple(reasons))


def is_newer(version: Version, here: Circumstances) -> bool:
    """Whether a version lies above the installed one and not below the floor."""
    above_installed = here.installed is None or version > here.installed
    return above_installed and (here.floor is None or version >= here.floor)


def why_not(release: VerifiedRelease, here: Circumstances) -> Reason | None:
    """Why a newer release is not installed now; lasting reasons come before passing ones."""
    found = _lasting(release, here) or _passing(release, here)
    return Reason(release.tag, *found) if found else None


def _lasting(release: VerifiedRelease, here: Circumstances) -> tuple[Waits, str] | None:
    said = here.freshness
    if said is not None and release.version in said.yanked:
        return Waits.YANKED, f"the association took it back: {said.yanked[release.version]}"
    if release.fingerprint in here.quarantined:
        advice = f"type `koprogo-agent retry {release.tag}` to allow another try"
        return Waits.QUARANTINE, f"it failed here and is not tried again; {advice}"
    if release.manifest is not None:
        return _unfit(release.manifest, here)
    if release.version.prerelease and here.channel == "stable":
        return Waits.PRERELEASE, "it is a pre-release, and this instance follows stable"
    return None


def _unfit(manifest: Manifest, here: Circumstances) -> tuple[Waits, str] | None:
    if manifest.channel != here.channel:
        return Waits.CHANNEL, f"it is for channel {manifest.channel}, not {here.channel}"
    if manifest.agent_min > here.agent:
        return Waits.AGENT, f"it needs koprogo-agent {manifest.agent_min}; this is {here.agent}"
    if here.installed is not None and here.installed in manifest.never_ran:
        reason = manifest.never_ran[here.installed]
        said = f"it lacks the migrations of {here.installed}, which runs here; its makers believed"
        return Waits.STEP, f"{said} that no instance ran it: {reason}"
    if here.installed is not None and not permits(manifest.upgrade_from, here.installed):
        wanted = ", ".join(manifest.upgrade_from)
        return Waits.STEP, f"one comes to it from {wanted}; {here.installed} runs here"
    return None


def _passing(release: VerifiedRelease, here: Circumstances) -> tuple[Waits, str] | None:
    if here.held:
        return Waits.HOLD, here.held
    if here.stale:
        return Waits.STALE, f"{here.stale}; to install it all the same: {_although(release)}"
    said = here.freshness
    if said is not None and release.version in said.held:
        return Waits.STOPPED, f"the association holds it back: {said.held[release.version]}"
    if not here.automatic:
        return Waits.MANUAL, "policy.automatic is off; type `koprogo-agent update`"
    return _later(release, here)


def _later(release: VerifiedRelease, here: Circumstances) -> tuple[Waits, str] | None:
    """What passes by itself; a security release waits for no window and no turn."""
    security = release.manifest is not None and release.manifest.severity == "security"
    if not security and not here.window_open:
        return Waits.WINDOW, "the update window is closed"
    turn = None if security or not here.waits_its_turn else _turn(release, here)
    if turn is not None:
        return Waits.ROLLOUT, turn
    if release.fingerprint in here.postponed:
        return Waits.BACKOFF, here.postponed[release.fingerprint]
    return None


def _turn(release: VerifiedRelease, here: Circumstances) -> str | None:
    """When this instance may take a release that reaches the fleet little by little."""
    rollouts = here.freshness.rollouts if here.freshness is not None else {}
    rollout = rollouts.get(release.version)
    if rollout is None:
        return None
    turn = rollout.turn(place(here.instance, release.fingerprint))
    if turn is None:
        return f"it reaches {rollout.share} % of the instances so far, and not this one yet"
    return f"this instance's turn is at {turn:%Y-%m-%d %H:%M} UTC" if here.at < turn else None


def _although(release: VerifiedRelease) -> str:
    return f"koprogo-agent update {release.tag} --although-stale"
