"""One tag held against every rule of trust, for a person who wants to see each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from koprogo_agent.domain.rules import RULES, Case, Memory
from koprogo_agent.domain.tags import TagRef, read_tag
from koprogo_agent.domain.trust import VerifiedRelease, verify
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import Refused
from koprogo_agent.update.court import Court
from koprogo_agent.update.engine import Engine


class Holds(StrEnum):
    """Whether a rule holds; some cannot be looked at where one before them does not."""

    YES = "yes"
    NO = "no"
    NOT_REACHED = "not reached"


@dataclass(frozen=True)
class Finding:
    """What became of one rule.

    Attributes:
        name: the rule, in one word.
        demand: what it asks, for a person.
        refusal: why it does not hold, where it does not.
    """

    name: str
    demand: str
    holds: Holds
    refusal: Refused | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of all rules.

    Attributes:
        ref: the tag, as the source lists it.
        release: the release, if all of them hold.
    """

    ref: TagRef
    findings: tuple[Finding, ...]
    release: VerifiedRelease | None

    @property
    def refusal(self) -> Refused | None:
        """The first rule that does not hold is the one that counts."""
        return next((one.refusal for one in self.findings if one.refusal), None)


_BEFORE = (
    ("name", "its name is a version, vMAJOR.MINOR.PATCH", ("version.grammar",)),
    ("object", "the source gave the very object that it lists", ("tag.altered", "source.")),
    (
        "tag",
        "an annotated tag, which names itself and a commit",
        (
            *("tag.lightweight", "tag.too_large", "tag.malformed", "tag.renamed", "tag.nested"),
            "tag.not_commit",
        ),
    ),
    ("signed", "it carries one signature", ("tag.unsigned",)),
    ("signature", "a key of the trust root made the signature", ("signature.",)),
    (
        "format",
        "manifest and co-signatures are as their formats say",
        ("manifest.", "cosignatures."),
    ),
)
"""What must hold before the rules can be looked at, each with (beginnings of) its codes."""


def judge(
    ref: TagRef,
    fetch: Callable[[], bytes],
    court: Court,
    remembered: Callable[[], Memory],
    now: datetime,
) -> Verdict:
    """Holds a tag against every rule.

    Args:
        ref: the tag.
        fetch: gives the bytes of its object.
        court: the trust root and the policy that count.
        remembered: what the judge remembers of earlier releases, asked once the tag is one.
        now: the time by the judge's clock.

    Raises:
        RetryLater: the source cannot be reached.
    """
    try:
        parse_tag(ref.name)
        tag = read_tag(ref, fetch())
        case = court.case(tag, remembered(), now)
    except Refused as error:
        return Verdict(ref, tuple(_broken(error)), None)
    findings = (*(Finding(name, demand, Holds.YES) for name, demand, _ in _BEFORE), *_rules(case))
    good = all(one.holds is Holds.YES for one in findings)
    return Verdict(ref, findings, verify(case) if good else None)


def judge_here(engine: Engine, tag: str) -> Verdict:
    """The same for a tag of the agent's own source; nothing is remembered of it.

    Raises:
        Refused: the source has no such tag (code `choose.unknown`).
        RetryLater: the source cannot be reached.
        NeedsOperator: this machine has no trust root.
    """
    source, releases = engine.world.source, engine.releases
    listing = source.list_refs()
    engine.authority.refresh(listing.trust)
    ref = next((one for one in listing.tags if one.name == tag), None)
    if ref is None:
        raise Refused(
            f"the source has no tag {tag}",
            code="choose.unknown",
            advice="see what it has: koprogo-agent check",
        )
    return judge(
        ref,
        lambda: source.fetch(ref),
        engine.authority.court,
        lambda: releases.remembered(ref, engine.journal.floor),
        engine.world.clock.now(),
    )


def _broken(error: Refused) -> Iterator[Finding]:
    """The findings where a rule does not hold behind which the others cannot be looked at."""
    reached = True
    for name, demand, codes in _BEFORE:
        if reached and error.code.startswith(codes):
            yield Finding(name, demand, Holds.NO, error)
            reached = False
        else:
            yield Finding(name, demand, Holds.YES if reached else Holds.NOT_REACHED)
    if reached:  # a code that no row names is still a refusal
        yield Finding("other", "nothing else stands against it", Holds.NO, error)
    yield from (Finding(rule.name, rule.demand, Holds.NOT_REACHED) for rule in RULES)


def _rules(case: Case) -> Iterator[Finding]:
    for rule in RULES:
        try:
            rule.check(case)
        except Refused as error:
            yield Finding(rule.name, rule.demand, Holds.NO, error)
        else:
            yield Finding(rule.name, rule.demand, Holds.YES)
