"""From a tag's bytes to a case and a verdict: who is heard, in which order, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from koprogo_agent.domain import cosignatures, tags
from koprogo_agent.domain import manifest as manifests
from koprogo_agent.domain.armour import Purpose, Statement
from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.cosignatures import write_cosignatures
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.domain.rules import RULES, Memory
from koprogo_agent.domain.tags import SignedTag, TagRef, read_tag
from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.update.court import Court, hear
from koprogo_agent.update.verdict import Holds, Verdict, judge
from tests.cases import COMMIT, NOW, POLICY, ROOT, SEEN, document, signer
from tests.simulation.origin import git_id, tag_object
from tests.simulation.signing import SimSignatures, sign

MEMORY = Memory(SEEN)
COURT = Court(SimSignatures(), ROOT, POLICY)


@dataclass
class Listening:
    """The tools that check signatures, and when and with which keys they were asked."""

    asked: list[tuple[Purpose, tuple[Key, ...], datetime]] = field(default_factory=list)

    def signer(self, statement: Statement, keys: Sequence[Key], at: datetime) -> Signer:
        """Who signed."""
        self.asked.append((statement.purpose, tuple(keys), at))
        return SimSignatures().signer(statement, keys, at)


class Slow:
    """Tools that do not end in time."""

    def signer(self, statement: Statement, keys: Sequence[Key], at: datetime) -> Signer:
        """Nobody knows who signed."""
        raise RetryLater(f"{statement.subject} {len(keys)} {at}", code="signature.tool")


def raw(*cosigners: str, key: str = "ann", name: str = "v1.2.0", **changes: object) -> bytes:
    """The bytes of a tag that `key` and these people have signed."""
    line = encode(document(**changes))
    made = [sign(one, Purpose.RELEASE, line) for one in cosigners]
    block = f"{manifests.BEGIN}\n{line.decode()}\n{manifests.END}\n"
    return tag_object(name, COMMIT, f"KoproGo\n\n{block}{write_cosignatures(made)}", key)


def ref(content: bytes, name: str = "v1.2.0") -> TagRef:
    """The ref of a tag."""
    return TagRef(name, git_id("tag", content))


def tag(content: bytes) -> SignedTag:
    """A tag, read."""
    return read_tag(ref(content), content)


def verdict(content: bytes, court: Court = COURT, name: str = "v1.2.0") -> Verdict:
    """What becomes of each rule for a tag."""
    return judge(ref(content, name), lambda: content, court, lambda: MEMORY, NOW)


# --- who is heard


def test_each_good_signature_has_its_signer_in_order() -> None:
    """One key may be there twice; whether it counts twice is not decided here."""
    names = ("bob", "ann", "bob")
    statements = [
        Statement("x", Purpose.ROOT, b"x", sign(one, Purpose.ROOT, b"x")) for one in names
    ]
    heard = hear(SimSignatures(), statements, ROOT.keys, NOW)
    assert heard.signers == (signer("bob"), signer("ann"), signer("bob"))
    assert heard.doubts == ()


def test_a_bad_signature_does_not_spoil_the_others() -> None:
    """What is wrong with it is told."""
    good = Statement("the paper", Purpose.ROOT, b"x", sign("ann", Purpose.ROOT, b"x"))
    bad = [
        replace(good, signature=sign("eve", Purpose.ROOT, b"x")),
        replace(good, payload=b"y"),
        replace(good, purpose=Purpose.TAG),
    ]
    heard = hear(SimSignatures(), [bad[0], good, *bad[1:]], ROOT.keys, NOW)
    assert heard.signers == (signer("ann"),)
    assert heard.doubts == ("the signature on the paper is by nobody in the trust root",) * 3


def test_what_could_not_be_checked_is_no_bad_signature() -> None:
    """A machine that is too busy to check refuses nothing."""
    statement = Statement("x", Purpose.ROOT, b"x", sign("ann", Purpose.ROOT, b"x"))
    with pytest.raises(RetryLater):
        hear(Slow(), [statement], ROOT.keys, NOW)


# --- a case


def test_a_case_holds_all_that_a_release_is_judged_by() -> None:
    """What it says, who signed, and what is known here."""
    signed = tag(raw("bob", "eve"))
    case = COURT.case(signed, MEMORY, NOW)
    assert (case.claim.tag, str(case.claim.version), case.name) == (signed, "1.2.0", "v1.2.0")
    assert (case.tagger, case.cosigners.signers) == (signer("ann"), (signer("bob"),))
    assert len(case.cosigners.doubts) == 1
    assert (case.root, case.policy, case.memory, case.at) == (ROOT, POLICY, MEMORY, NOW)
    assert case.signers == (signer("ann"), signer("bob"))


def test_signatures_are_checked_with_the_roots_keys_at_first_sight() -> None:
    """With all of them, so that whoever has a key of another role is told so by name."""
    tools = Listening()
    seen = NOW - timedelta(days=7)
    Court(tools, ROOT, POLICY).case(tag(raw("bob")), Memory(seen), NOW)
    assert tools.asked == [(Purpose.TAG, ROOT.keys, seen), (Purpose.RELEASE, ROOT.keys, seen)]


def test_nothing_is_read_of_a_tag_that_nobody_known_has_signed() -> None:
    """Whoever may write to the source alone does not reach what reads manifests."""
    broken = raw(key="eve", format=99)
    with pytest.raises(Refused) as caught:
        COURT.case(tag(broken), MEMORY, NOW)
    assert caught.value.code == "signature.unknown_key"
    with pytest.raises(Refused) as caught:
        COURT.case(tag(raw(format=99)), MEMORY, NOW)
    assert caught.value.code == "manifest.format"


def test_a_signature_for_another_purpose_is_no_signature() -> None:
    """Neither does a tag's signature vouch for a manifest, nor the other way round."""
    line = encode(document()).decode()
    wrong = write_cosignatures([sign("bob", Purpose.TAG, line.encode())])
    block = f"{manifests.BEGIN}\n{line}\n{manifests.END}\n"
    case = COURT.case(tag(tag_object("v1.2.0", COMMIT, f"{block}{wrong}", "ann")), MEMORY, NOW)
    assert case.cosigners.signers == ()


# --- a verdict


def test_a_good_release_satisfies_every_rule() -> None:
    """Those before the rules, and the rules, in order; and there is a release."""
    found = verdict(raw("bob"))
    assert {one.holds for one in found.findings} == {Holds.YES}
    assert [one.name for one in found.findings] == [
        *("name", "object", "tag", "signed", "signature", "format"),
        *(rule.name for rule in RULES),
    ]
    assert found.refusal is None
    assert found.release is not None
    assert found.release.tag == "v1.2.0"


def test_every_rule_is_held_against_a_release_that_is_read() -> None:
    """A person sees all that is wrong with it; the first is the one that counts."""
    found = verdict(raw(product="other", commit="d" * 40))
    broken = [one.name for one in found.findings if one.holds is Holds.NO]
    assert broken == ["threshold", "commit", "product"]
    assert found.release is None
    assert found.refusal is not None
    assert found.refusal.code == "trust.threshold"


UNSIGNED = raw(key="")
BEFORE = [
    ("name", "latest", raw(name="latest")),
    ("tag", "v1.2.0", raw(name="v1.3.0")),
    ("tag", "v1.2.0", b"no tag at all"),
    ("tag", "v1.2.0", b"x" * (tags.MAX_BYTES + 1)),
    ("tag", "v1.2.0", raw().replace(b"type commit", b"type tag")),
    ("tag", "v1.2.0", raw().replace(b"type commit", b"type tree")),
    ("signed", "v1.2.0", UNSIGNED),
    ("signature", "v1.2.0", raw(key="eve")),
    ("format", "v1.2.0", raw(format=99)),
    ("format", "v1.2.0", raw(counter=0)),
    ("format", "v1.2.0", tag_object("v1.2.0", COMMIT, f"{cosignatures.BEGIN}\n", "ann")),
]


@pytest.mark.parametrize(("name", "called", "content"), BEFORE)
def test_what_stands_before_the_rules_hides_them(name: str, called: str, content: bytes) -> None:
    """What comes before holds, what comes after was not looked at."""
    found = verdict(content, name=called)
    names = [one.name for one in found.findings]
    at = names.index(name)
    assert [one.holds for one in found.findings] == [
        *([Holds.YES] * at),
        Holds.NO,
        *([Holds.NOT_REACHED] * (len(names) - at - 1)),
    ]
    assert found.release is None
    assert found.refusal is found.findings[at].refusal


def test_another_object_than_the_listed_one_is_told_as_such() -> None:
    """The source is at fault, not the release."""
    content = raw("bob")
    found = judge(TagRef("v1.2.0", "f" * 40), lambda: content, COURT, lambda: MEMORY, NOW)
    assert [one.name for one in found.findings if one.holds is Holds.NO] == ["object"]
    assert found.refusal is not None
    assert found.refusal.code == "tag.altered"


@pytest.mark.parametrize(
    ("code", "name"), [("source.limit", "object"), ("tag.lightweight", "tag"), ("disk.x", "other")]
)
def test_what_the_source_cannot_give_is_told_where_it_belongs(code: str, name: str) -> None:
    """A limit, a ref that points straight at a commit; and what no row names is still told."""

    def fetch() -> bytes:
        raise Refused("it cannot be had", code=code)

    found = judge(TagRef("v1.2.0", "f" * 40), fetch, COURT, lambda: MEMORY, NOW)
    assert [one.name for one in found.findings if one.holds is Holds.NO] == [name]
    assert found.refusal is not None
    assert found.refusal.code == code


def test_a_name_that_is_no_version_is_not_asked_for() -> None:
    """It would become part of a refspec."""

    def fetch() -> bytes:
        raise AssertionError("nobody needs to see this one")

    found = judge(TagRef("--upload-pack=x", "f" * 40), fetch, COURT, lambda: MEMORY, NOW)
    assert [one.name for one in found.findings if one.holds is Holds.NO] == ["name"]


def test_first_sight_of_what_is_no_tag_is_not_remembered() -> None:
    """Memory is asked once the tag is one."""

    def remembered() -> Memory:
        raise AssertionError("nobody needs to remember this one")

    found = judge(ref(UNSIGNED), lambda: UNSIGNED, COURT, remembered, NOW)
    assert found.release is None


@pytest.mark.parametrize(
    "changes", [{"version": "1.2"}, {"agent_min": "latest"}, {"upgrade_from": ["1.0.0"]}]
)
def test_a_version_in_the_manifest_that_is_none_is_told_of_the_manifest(
    changes: dict[str, Any],
) -> None:
    """The tag's name is a version, and its signature is good."""
    found = verdict(raw("bob", **changes))
    assert [one.name for one in found.findings if one.holds is Holds.NO] == ["format"]
