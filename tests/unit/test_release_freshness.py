"""Freshness documents as they are made, and the trust branch as the release manager reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from koprogo_agent.domain.canonical import MOST
from koprogo_agent.domain.freshness import Highest, Rollout, read_freshness
from koprogo_agent.domain.root import read_root
from koprogo_agent.domain.versions import Version, parse_version
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.release.freshening import VALID, Word, next_freshness
from koprogo_agent.release.trust import TrustState, read_trust
from tests.simulation.clock import EPOCH
from tests.simulation.origin import KEY
from tests.simulation.signing import SimSignatures
from tests.simulation.trust import ONLINE, Roles, freshness, root

ROOT = read_root(root())
V1, V2 = parse_version("1.0.0"), parse_version("2.0.0")
SILENT = Word.of(None)
LATER = EPOCH + timedelta(hours=6)
OTHER_JOB: Roles = {"root": ((KEY,), 1), "release": ((KEY,), 1), "freshness": (("job2",), 1)}
DAY = 86_400


def rollout(share: int = 100, duration: int = DAY) -> Rollout:
    """One that begins now."""
    return Rollout(EPOCH, duration, share)


def state(**files: bytes) -> TrustState:
    """The trust branch with these files; `root_2` stands for `root/2.json`."""
    named = {f"{name.replace('_', '/')}.json": raw for name, raw in files.items()}
    return read_trust("tip", named, SimSignatures(), LATER)


def test_the_next_document_counts_on() -> None:
    """It names the newest root, and is good from now on."""
    made = next_freshness(ROOT, 7, {"stable": Highest(V1, 3)}, SILENT, LATER, VALID)

    assert (made.version, made.root, made.product) == (8, 1, "koprogo")
    assert (made.issued, made.expires) == (LATER, LATER + timedelta(hours=48))
    assert made.channels == {"stable": Highest(V1, 3)}


def test_what_was_said_goes_on_to_be_said() -> None:
    """A job that renews must not forget what somebody held in the night."""
    word = SILENT.hold(V1, "eats\n data").yank(V2, "eats more").roll_out(V1, rollout())

    made = next_freshness(ROOT, 0, {}, word, LATER, VALID)
    assert made.held == {V1: "eats data"}
    assert made.yanked == {V2: "eats more"}
    assert made.rollouts == {V1: rollout()}
    assert Word.of(made) == Word(made.held, made.yanked, made.rollouts)


def test_a_rollout_is_dropped_once_everybody_has_had_their_turn() -> None:
    """And not before; one that shall reach only a part stays for ever."""
    over = EPOCH + timedelta(days=1)
    full, part = SILENT.roll_out(V1, rollout()), SILENT.roll_out(V1, rollout(share=10))

    assert full.without_ended(over - timedelta(seconds=1)).rollouts
    assert not full.without_ended(over).rollouts
    assert part.without_ended(over).rollouts


def test_yank_is_the_last_word() -> None:
    """What was held or rolled out is void, and nothing else can be said any more."""
    word = SILENT.hold(V1, "x").roll_out(V1, rollout()).yank(V1, "bad")

    assert (word.held, word.rollouts, word.yanked) == ({}, {}, {V1: "bad"})
    with pytest.raises(Refused, match="was yanked: bad"):
        word.hold(V1, "x")
    with pytest.raises(Refused, match="was yanked: bad"):
        word.roll_out(V1, rollout())


def test_what_is_not_held_cannot_be_let_go() -> None:
    """Whoever mistypes a version under pressure must notice."""
    assert SILENT.hold(V1, "x").release(V1).held == {}
    with pytest.raises(Refused, match=r"v2\.0\.0 is not held"):
        SILENT.hold(V1, "x").release(V2)


def test_a_reason_fits_on_a_line() -> None:
    """It is shown on every instance."""
    with pytest.raises(NeedsOperator, match="at most 300"):
        SILENT.hold(V1, "x" * 301)
    with pytest.raises(Refused, match="printable"):
        next_freshness(ROOT, 0, {}, SILENT.hold(V1, "a\x1bb"), LATER, VALID)


def test_the_highest_version_has_no_successor() -> None:
    """A stolen key can bring it there; then only another key helps."""
    with pytest.raises(Refused) as refused:
        next_freshness(ROOT, MOST, {}, SILENT, LATER, VALID)
    assert refused.value.code == "freshness.exhausted"
    assert "koprogo-release rotate" in refused.value.advice


def test_the_branch_is_read_by_the_agents_rules() -> None:
    """Roots in order, freshness by the newest one's keys; what is not believed is told."""
    found = state(root_1=root(), root_2=root(2), freshness=freshness(5))
    assert (found.root.version, found.doubts) == (2, ())
    assert found.freshness is found.last is not None

    found = state(root_1=root(), root_2=root(2, signers=("eve",)), freshness=freshness(5))
    assert found.root.version == 1
    assert [one.code for one in found.doubts] == ["trust.threshold"]

    found = state(root_1=root(), freshness=freshness(5, signers=("eve",)))
    assert (found.freshness, found.last) == (None, None)


def test_without_a_first_root_there_is_no_trust() -> None:
    """Neither an empty branch nor a root that nobody signed will do."""
    with pytest.raises(NeedsOperator, match="no trust root 1"):
        state()
    with pytest.raises(Refused):
        state(root_1=root(signers=("eve",)))


def test_what_was_yanked_stays_so_when_the_key_that_said_it_is_taken_out() -> None:
    """Otherwise the rotation of a key would let every bad release go."""
    said = freshness(5, yanked={"1.0.0": "bad"})
    found = state(root_1=root(), root_2=root(2, OTHER_JOB), freshness=said)

    assert found.freshness is None
    assert found.last is not None
    assert found.last.yanked == {V1: "bad"}
    assert [one.code for one in found.doubts] == ["trust.threshold"]


def test_a_stranger_inherits_nothing() -> None:
    """The root that a document names must vouch for it, not just any."""
    forged = freshness(5, signers=("job2",), yanked={"1.0.0": "bad"})
    found = state(root_1=root(), root_2=root(2), freshness=forged)
    assert found.last is None


def test_a_word_is_read_back_from_what_was_published() -> None:
    """The document is the only memory."""
    raw = freshness(3, signers=(ONLINE,), held={"2.0.0": "wait"})
    assert Word.of(replace(read_freshness(raw))).held == {Version(2): "wait"}
