"""Who may say what: the trust root and the freshness document, as far as this machine knows them.

The operator gave this machine one trust root. From there the agent walks, version by version, to
the newest that the source has, and keeps each. What the source shows is a claim; what was believed
once is never taken back by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import structlog

from koprogo_agent.domain.chain import (
    require_fresher,
    require_successor,
    root_expiry,
    staleness,
)
from koprogo_agent.domain.deployment import Deployment
from koprogo_agent.domain.freshness import Freshness, read_freshness
from koprogo_agent.domain.root import Root, read_root
from koprogo_agent.domain.rules import TrustPolicy
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.versions import tag_name
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.settings import Settings
from koprogo_agent.update.court import Court, hear
from koprogo_agent.update.documents import Documents
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.standing import Standing
from koprogo_agent.update.world import World

log = structlog.get_logger()

ROOTS, FRESHNESS = "root", "freshness.json"
"""Where the trust branch keeps `root/1.json`, `root/2.json`, …, and the freshness document."""

STALE_ADVICE = (
    "what runs goes on running; nothing new is installed until the association renews it, which it"
    " does every few hours. If that lasts, tell the association, and look: koprogo-agent doctor"
)

_WHAT = ("root", "freshness")

_MOST_ROOTS = 50
"""Trust roots walked in one tick: a source full of them must not keep the agent busy for ever."""

_PASSING = {"root.not_yet", "freshness.not_yet", "signature.not_yet"}
"""Refusals that depend on the time of day: judged anew at each poll."""


_read_root = lru_cache(maxsize=2)(read_root)
"""The same file is read at every poll."""


@dataclass(frozen=True)
class Judged:
    """The state of the trust branch that was looked at last.

    Attributes:
        commit: where it stood.
        ground: what the judgement depended on besides; another value judges anew.
    """

    commit: str
    ground: str


@dataclass(frozen=True)
class RefusedDocument:
    """A document of the trust branch that is not believed, and why."""

    code: str
    message: str
    since: datetime


class Authority:
    """Keeps trust root and freshness up to date."""

    def __init__(self, world: World, settings: Settings, journal: Journal) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._documents = Documents(journal.store)
        self._standing = Standing(journal)

    @property
    def root(self) -> Root:
        """The newest trust root that is believed, without what is revoked here.

        Raises:
            NeedsOperator: this machine was given none, or one that cannot be used.
        """
        pinned, now = self._pinned(), self._world.clock.now()
        known = self._documents.root_of(pinned.version)
        if known is None or known.envelope.sha256 != pinned.envelope.sha256:
            self._documents.start_from(pinned, now)
            self._journal.record("trust.pinned", now, version=pinned.version)
            log.info("trust.pinned", version=pinned.version, sha256=pinned.envelope.sha256)
        newest = self._documents.root or pinned
        return replace(newest, revoked=self._world.anchor.revoked())

    @property
    def freshness(self) -> Freshness | None:
        """The newest freshness document that is believed, or None."""
        return self._documents.freshness(self.root)

    @property
    def court(self) -> Court:
        """Where releases are judged today."""
        trust = self._settings.trust
        policy = TrustPolicy(trust.product, trust.require_manifest)
        return Court(self._world.signatures, self.root, policy)

    @property
    def ground(self) -> str:
        """Changes with everything that a judgement depends on besides the bytes and the time."""
        root = self.root
        return "\n".join((root.envelope.sha256, *sorted(root.revoked)))

    def refresh(self, commit: str | None) -> None:
        """Reads what the trust branch has now, if it has changed.

        What is refused is told once, and changes nothing.

        Args:
            commit: where the branch stands; None where the source has none.

        Raises:
            RetryLater: the source cannot be asked.
        """
        if commit is None or self._journal.get(Judged, "trust.judged") == self._judged(commit):
            return
        walked, freshened = self._walk(commit), self._freshen(commit)
        if walked and freshened:
            self._journal.put("trust.judged", self._judged(commit))

    def stale(self) -> str:
        """Why nothing new may start by itself now, or an empty string."""
        now = self._world.clock.now()
        if self._settings.trust.require_freshness:
            return staleness(self.root, self.freshness, now)
        return root_expiry(self.root, now)

    def announce(self, withheld: str | None) -> None:
        """Tells, once each, what the association's word means for what runs here.

        Args:
            withheld: what the source keeps back, or an empty string; None where it did not answer.
        """
        now, tell = self._world.clock.now(), self._world.notifier.tell
        stale, taken_back = self.stale(), yanked(self._journal.installed, self.freshness)
        if self._standing.hears("trust.stale", stale, now):
            log.warning("trust.stale", why=stale or "over")
            if stale:
                tell("KoproGo: updates stand still", f"{stale}\n{STALE_ADVICE}")
        if withheld is not None and self._standing.hears("source.withheld", withheld, now):
            log.warning("source.withheld", why=withheld or "over")
            if withheld:
                tell("KoproGo: the source keeps something back", f"{withheld}\n{STALE_ADVICE}")
        if self._standing.hears("release.yanked", taken_back, now) and taken_back:
            log.error("release.yanked", why=taken_back)
            tell("KoproGo: what runs here was taken back by the association", taken_back)

    def withheld(self, tags: Iterable[TagRef]) -> str:
        """What the source keeps back of the releases that there are, or an empty string."""
        freshness, channel = self.freshness, self._settings.trust.channel
        highest = freshness.channels.get(channel) if freshness else None
        if highest is None or tag_name(highest.version) in {tag.name for tag in tags}:
            return ""
        return f"the source does not list v{highest.version}, the newest of channel {channel}"

    def _pinned(self) -> Root:
        try:
            pinned = _read_root(self._world.anchor.pinned())
        except Refused as error:
            raise NeedsOperator(
                f"cannot use root.json in {self._settings.trust.directory}: {error.message}",
                code="trust.malformed",
                advice="put the association's root.json there again",
            ) from error
        if pinned.product != self._settings.trust.product:
            raise NeedsOperator(
                f"root.json in {self._settings.trust.directory} is for {pinned.product!r}, and"
                f" trust.product is {self._settings.trust.product!r}",
                code="trust.product",
                advice="correct trust.product, or put the right root.json there",
            )
        return pinned

    def _judged(self, commit: str) -> Judged:
        return Judged(commit, self.ground)

    def _walk(self, commit: str) -> bool:
        """From the newest trust root that is believed to the newest that the source has.

        Returns:
            Whether there is nothing more to be learned from this commit.
        """
        source = self._world.source
        for _ in range(_MOST_ROOTS):
            path = f"{ROOTS}/{self.root.version + 1}.json"
            try:
                if path not in source.list_files(commit, path):
                    self._journal.put(_refused("root"), None)
                    return True
                raw = source.read_file(commit, path)
            except Refused as error:
                return self._refuse("root", error, b"")
            before = self.root.version
            settled = self._believe("root", raw, self._root)
            if self.root.version == before:
                return settled
        return False

    def _freshen(self, commit: str) -> bool:
        """Takes the freshness document; returns as `_walk`."""
        try:
            raw = self._world.source.read_file(commit, FRESHNESS)
        except Refused as error:
            return self._refuse("freshness", error, b"")
        return self._believe("freshness", raw, self._fresh)

    def _root(self, raw: bytes, now: datetime) -> None:
        current, candidate = self.root, read_root(raw)
        keys, at = (*current.keys, *candidate.keys), min(candidate.issued, now)
        testimony = hear(self._world.signatures, candidate.statements, keys, at)
        require_successor(current, candidate, testimony, now)
        self._documents.keep_root(candidate, now)
        self._journal.record("trust.root", now, version=candidate.version)
        log.info("trust.root", version=candidate.version)

    def _fresh(self, raw: bytes, now: datetime) -> None:
        root, candidate = self.root, read_freshness(raw)
        testimony = hear(self._world.signatures, candidate.statements, root.keys, now)
        require_fresher(candidate, testimony, root, self.freshness, now)
        self._documents.keep_freshness(candidate, root, now)

    def _believe(self, what: str, raw: bytes, judge: Callable[[bytes, datetime], None]) -> bool:
        """Whether a document is judged for good, believed or not."""
        try:
            judge(raw, self._world.clock.now())
        except Refused as error:
            return self._refuse(what, error, raw)
        self._journal.put(_refused(what), None)
        return True

    def _refuse(self, what: str, error: Refused, raw: bytes) -> bool:
        """Remembers why a document is not believed, and tells it when it is news."""
        known = self._journal.get(RefusedDocument, _refused(what))
        if known is None or known.code != error.code:
            now = self._world.clock.now()
            self._documents.keep_evidence(what, raw, now)
            self._journal.record(
                "trust.refused", now, what=what, code=error.code, why=error.message
            )
            self._journal.put(_refused(what), RefusedDocument(error.code, error.message, now))
            log.error("trust.refused", what=what, code=error.code, why=error.message)
            said = f"{what}: {error.message}"
            self._world.notifier.tell("KoproGo: what the source says of trust is refused", said)
        return error.code not in _PASSING


def yanked(installed: Deployment | None, freshness: Freshness | None) -> str:
    """Why the association took a deployment back, or an empty string."""
    version = installed.version if installed else None
    return freshness.yanked.get(version, "") if freshness and version else ""


def refused_documents(journal: Journal) -> dict[str, RefusedDocument]:
    """What the source last had that is not believed: `root`, `freshness`, both or neither."""
    found = ((what, journal.get(RefusedDocument, _refused(what))) for what in _WHAT)
    return {what: one for what, one in found if one is not None}


def _refused(what: str) -> str:
    """The name under which the journal keeps the present refusal of a document."""
    return f"trust.refused.{what}"
