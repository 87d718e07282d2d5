"""The draft of a release: what follows from it, and what it must never become."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.root import read_root
from koprogo_agent.domain.rules import Memory, TrustPolicy
from koprogo_agent.errors import Refused
from koprogo_agent.release.draft import Draft, read_draft, tidy_notes
from koprogo_agent.release.releases import changes_in
from koprogo_agent.update.court import Court
from koprogo_agent.update.verdict import judge
from tests.cases import COMMIT, NOW, document
from tests.simulation.origin import KEY
from tests.simulation.signing import SimSignatures, sign
from tests.simulation.trust import root

ROLES = {"root": ((KEY,), 1), "release": ((KEY, "bob"), 2), "freshness": ((KEY,), 1)}


def draft(version: str = "1.2.0", **changes: object) -> Draft:
    """A draft that nobody has signed; `changes` are put into its manifest."""
    return Draft(
        document(version=version, **changes),
        "What is new.",
        "R <r@k.example> 1 +0000",
        read_root(root(roles=ROLES)),
    )


def signed(unsigned: Draft) -> Draft:
    """The same, signed by both."""
    once = unsigned.cosigned(sign("bob", Purpose.RELEASE, unsigned.manifest_bytes))
    return once.completed(sign(KEY, Purpose.TAG, once.payload))


def test_the_tag_follows_from_the_draft_alone() -> None:
    """Whoever completes it elsewhere makes the very bytes that everybody else expects."""
    made = signed(draft())

    head, _, message = made.raw.decode().partition("\n\n")
    assert head == (f"object {COMMIT}\ntype commit\ntag v1.2.0\ntagger R <r@k.example> 1 +0000")
    assert message.startswith("KoproGo 1.2.0\n\nWhat is new.\n\n-----BEGIN KOPROGO RELEASE-----\n")
    assert "-----END KOPROGO RELEASE-----\n-----BEGIN KOPROGO COSIGNATURES-----\n" in message
    assert message.endswith(made.signature)


def test_a_release_without_notes_has_no_hole_in_its_place() -> None:
    """The manifest follows the title."""
    assert b"KoproGo 1.2.0\n\n-----BEGIN" in replace(draft(), notes="").payload


def test_another_product_has_its_own_name_in_title_and_file() -> None:
    """Nobody who carries drafts of two products signs the one for the other."""
    ours, other = draft(), draft(product="koprogo-agent")
    assert ours.file_name == "koprogo-v1.2.0.draft.json"
    assert other.file_name == "koprogo-agent-v1.2.0.draft.json"
    assert b"\n\nkoprogo-agent 1.2.0\n\n" in other.payload


def test_an_agent_accepts_what_a_draft_becomes() -> None:
    """Co-signature and tag together reach the threshold, by the agent's own rules."""
    made = signed(draft())
    court = Court(SimSignatures(), made.root, TrustPolicy("koprogo", require_manifest=True))

    verdict = judge(made.ref, lambda: made.raw, court, lambda: Memory(NOW), NOW)

    assert verdict.refusal is None
    assert verdict.release is not None
    assert [one.name for one in verdict.release.signers] == [KEY, "bob"]


@pytest.mark.parametrize("made", [draft(), signed(draft())], ids=["unsigned", "signed"])
def test_what_is_written_is_read(made: Draft) -> None:
    """A file that is carried loses nothing, and its text is canonical."""
    assert read_draft(made.write()) == made
    assert read_draft(made.write()).write() == made.write()


def test_a_draft_brings_the_release_before_it_along() -> None:
    """So that whoever signs can see what changes, without a clone; only a release counts."""
    before, after = signed(draft("1.1.0")), draft(files={"docker-compose.yml": "3" * 64})

    new = changes_in(replace(after, since=before.raw.decode()), SimSignatures(), NOW)
    assert new is not None
    assert (str(new.since), new.files.changed) == ("1.1.0", ("docker-compose.yml",))
    assert new.images.is_empty

    forged = before.raw.decode().replace("What is new", "what is new")
    assert changes_in(replace(after, since=forged), SimSignatures(), NOW) is None


def test_a_tag_that_does_not_follow_from_the_rest_is_refused() -> None:
    """Nobody can have others sign one thing and publish another."""
    file = json.loads(signed(draft()).write())
    wrong: tuple[dict[str, object], ...] = (
        {"notes": "Something else."},
        {"tag": file["tag"].replace("What", "what")},
        {"tag": file["tag"] + "\n"},
        {"cosignatures": []},
    )
    for change in wrong:
        with pytest.raises(Refused) as refused:
            read_draft(encode({**file, **change}))
        assert refused.value.code == "draft.invalid"


@pytest.mark.parametrize(
    "notes",
    [
        "-----BEGIN SSH SIGNATURE-----",
        "-----BEGIN KOPROGO RELEASE-----",
        "a\x1b[2Jb",
        "\u202e",
    ],
)
def test_notes_that_would_spoil_the_tag_are_found_at_once(notes: str) -> None:
    """Not only when everybody has signed."""
    with pytest.raises(Refused):
        replace(draft(), notes=notes).require_readable()


def test_a_tagger_that_no_agent_reads_is_found_at_once() -> None:
    """A name with a line break in it would be another header."""
    with pytest.raises(Refused):
        replace(draft(), tagger="R <r@k.example>\nx 1 +0000").require_readable()


def test_notes_are_tidied() -> None:
    """From whatever editor they come."""
    assert tidy_notes("\r\n First.\r\n\r\nSecond.  \n\n") == "First.\n\nSecond."


@pytest.mark.parametrize(
    "change",
    [
        {"type": "koprogo-root"},
        {"format": 2},
        {"more": 1},
        {"notes": 7},
        {"cosignatures": ["not armoured"]},
        {"since": "not a tag"},
        {"root": {"signed": {}, "signatures": []}},
    ],
)
def test_a_file_that_is_no_draft_is_refused(change: dict[str, object]) -> None:
    """It is carried by mail and on sticks: anything may have become of it."""
    file = json.loads(draft().write())
    with pytest.raises(Refused):
        read_draft(encode({**file, **change}))
