"""One tag held against every rule of trust, for a person who wants to see each of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from koprogo_agent.domain.tags import TagRef
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import Refused
from koprogo_agent.update.engine import Engine


class Holds(StrEnum):
    """Whether a rule holds; behind the first that does not, none is looked at."""

    YES = "yes"
    NO = "no"
    NOT_REACHED = "not reached"


@dataclass(frozen=True)
class Rule:
    """What a rule demands, and the codes (or their beginnings) with which it refuses."""

    name: str
    demand: str
    codes: tuple[str, ...]


RULES = (
    Rule("name", "its name is a version, vMAJOR.MINOR.PATCH", ("version.grammar",)),
    Rule("object", "the source gave the very object that it lists", ("tag.altered", "source.")),
    Rule(
        "tag",
        "an annotated tag, which names itself and a commit",
        (
            *("tag.lightweight", "tag.too_large", "tag.malformed", "tag.renamed", "tag.nested"),
            "tag.not_commit",
        ),
    ),
    Rule("signed", "it carries one signature", ("tag.unsigned",)),
    Rule("signer", "a key that is trusted here made the signature", ("signature.",)),
    Rule("unmoved", "it is the object under which it was first seen", ("tag.moved",)),
    Rule("floor", "it is not older than what already ran here", ("trust.floor",)),
    Rule("manifest", "it carries a manifest in the format", ("manifest.", "trust.no_manifest")),
    Rule(
        "subject",
        "the manifest speaks of this version, commit and product",
        ("trust.version", "trust.commit", "trust.product"),
    ),
    Rule("time", "it is issued, and has not expired", ("trust.not_yet", "trust.expired")),
)
"""In the order in which they are applied."""


@dataclass(frozen=True)
class Verdict:
    """What became of the rules.

    Attributes:
        ref: the tag, as the source lists it.
        rules: each rule, and whether it holds.
        release: the release, if all of them do.
        refusal: why not, if one does not.
    """

    ref: TagRef
    rules: tuple[tuple[Rule, Holds], ...]
    release: VerifiedRelease | None
    refusal: Refused | None


def judge(engine: Engine, tag: str) -> Verdict:
    """Fetches and verifies one tag.

    Raises:
        Refused: the source has no such tag (code `choose.unknown`).
        RetryLater: the source cannot be reached.
        NeedsOperator: there are no keys to verify with.
    """
    refs = [ref for ref in engine.world.source.list_tags() if ref.name == tag]
    if not refs:
        raise Refused(
            f"the source has no tag {tag}",
            code="choose.unknown",
            advice="see what it has: koprogo-agent check",
        )
    try:
        release = engine.releases.examine(refs[0], engine.journal.floor)
    except Refused as error:
        return Verdict(refs[0], _broken(error.code), None, error)
    return Verdict(refs[0], tuple((rule, Holds.YES) for rule in RULES), release, None)


def _broken(code: str) -> tuple[tuple[Rule, Holds], ...]:
    at = next((i for i, rule in enumerate(RULES) if code.startswith(rule.codes)), len(RULES))
    states = [Holds.YES] * at + [Holds.NO] + [Holds.NOT_REACHED] * len(RULES)
    return tuple(zip(RULES, states, strict=False))
