"""A mirror that stops time, or turns it back: noticed, told once, and nothing new starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from tests.attacks.field import Field
from tests.attacks.people import FRESHNESS, Chain, hours, renewal, replaced
from tests.lab.lab import Lab
from tests.lab.processes import wait_until
from tests.lab.recipes import Kind
from tests.lab.trust import instant
from tests.scenes import watch

pytestmark = pytest.mark.real


def test_a_mirror_that_stands_still_is_noticed_when_freshness_expires(field: Field) -> None:
    """The mirror shows what it showed two days ago, and a release: STALE, told once, then in."""
    association = field.lab.association
    association.renew(issued=hours(-48), expires=hours(-0.01))
    release = field.lab.publisher.publish(Kind.GOOD)
    field.watches_idly()
    told = field.letters.empty()
    assert [letter.title for letter in told] == ["KoproGo: updates stand still"]
    assert "expired at 20" in told[0].body
    assert "the association renews it" in told[0].body
    field.watches_idly()
    assert field.letters.empty() == []
    status = json.loads(field.types("status", "--json").stdout)
    assert (status["state"], status["trust"]["stale"]) == ("stale", told[0].body.split("\n")[0])
    assert [(one["tag"], one["gate"]) for one in status["waiting"]] == [(release.tag, "stale")]
    said = field.types("update", release.tag)
    assert (said.returncode, "--although-stale" in said.stderr) == (Exit.REFUSED, True)
    with field.instance.engine() as engine:
        events = [one.name for one in engine.journal.events(500)]
    assert events.count("trust.stale") == 1

    association.renew()
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag


def test_a_mirror_that_keeps_the_newest_release_back_is_noticed(field: Field) -> None:
    """Its freshness is new and its tags are old: no such poll succeeds, and it is told once."""
    publisher, association = field.lab.publisher, field.lab.association
    hidden = publisher.publish(Kind.GOOD)
    field.forger.withdraw(hidden)
    highest = {"version": hidden.version, "counter": hidden.draft.counter}
    association.renew(channels={"stable": highest})
    impatient = field.under(source={"interval": 1}, policy={"poll_stale_after": 1.5})
    for _ in range(2):
        field.watches_idly()
    with field.instance.engine() as engine:
        failure, since = engine.standing.polls.failure, engine.standing.polls.failing_since
    assert failure is not None
    assert since is not None
    assert failure.code == "source.withheld"
    assert f"does not list {hidden.tag}, the newest of channel stable" in failure.message
    wait_until(lambda: (datetime.now(UTC) - since).total_seconds() > 1.5, 30, "the poll to be old")
    status = json.loads(impatient.types("status", "--json").stdout)
    assert status["state"] == "stale"

    field.forger.restore(hidden)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    association.renew()
    assert field.installed == hidden.tag


def test_a_mirror_that_keeps_things_back_is_told_of_once(field: Field) -> None:
    """Updates that never come again must not stop in silence."""
    hidden = field.lab.publisher.draft()
    field.lab.association.renew(channels={"stable": {"version": hidden.version, "counter": 99}})
    letters = []
    for _ in range(3):
        field.watches_idly()
        letters += field.letters.empty()
    field.lab.association.renew()
    assert [hidden.tag in letter.body for letter in letters] == [True]


def _forked(lab: Lab) -> bytes:
    return renewal(lab, 0, held={"9.9.9": "another text"})


Documents = Callable[[Lab], bytes | None]
_FRESHNESS: dict[str, tuple[Documents, str, str]] = {
    "older": (lambda lab: renewal(lab, -1), "freshness.rollback", "is older than freshness"),
    "another of the same version": (_forked, "freshness.forked", "not the document of that"),
    "under a root that is kept back": (
        *(lambda lab: renewal(lab, 1, root=99), "freshness.root"),
        "under trust root 99, and the source gives none newer",
    ),
    "from the future": (
        *(lambda lab: renewal(lab, 1, issued=hours(2), expires=hours(9)), "freshness.not_yet"),
        "issued at 20.*, but it is 20",
    ),
    "of another product": (
        *(lambda lab: renewal(lab, 1, product="other"), "freshness.product"),
        "for 'other', not 'koprogo'",
    ),
    "by a release key": (
        *(lambda lab: renewal(lab, 1, [lab.keys.ssh]), "trust.threshold"),
        "release does not count: .* not one of the freshness keys",
    ),
    "by a stranger": (
        *(lambda lab: renewal(lab, 1, [lab.keys.other_ssh]), "trust.threshold"),
        "SHA256:.* not in the trust root",
    ),
    "by nobody": (lambda lab: renewal(lab, 1, []), "trust.threshold", "by 0 of the 1 keys"),
    "without end": (
        *(lambda lab: renewal(lab, 1)[:-3] + b" " * 600_000, "freshness.invalid"),
        r"has 60\d{4} bytes; at most 524288",
    ),
    "that is not there": (lambda _lab: None, "file.missing", "has no file 'freshness.json'"),
}


@pytest.mark.parametrize("case", _FRESHNESS)
def test_a_freshness_document_that_does_not_follow_is_not_believed(field: Field, case: str) -> None:
    """What was believed before counts on, until it expires."""
    field.lab.association.renew()
    field.settles()
    made, code, words = _FRESHNESS[case]
    with replaced(field.lab, FRESHNESS, made(field.lab)):
        field.disbelieves("freshness", code, words)
    field.settles()


def test_an_expired_root_stops_all_that_is_new(field: Field) -> None:
    """A mirror that keeps back the next root for years: nothing starts, whatever freshness says."""
    chain = Chain.of(field.lab)
    expires = datetime.now(UTC) + timedelta(seconds=2)
    chain.go_on(expires=instant(expires))
    wait_until(lambda: datetime.now(UTC) > expires, 30, "the root to expire")
    release = field.lab.publisher.publish(Kind.GOOD)
    field.watches_idly()
    (letter,) = field.letters.empty()
    assert f"trust root {chain.version} expired at 20" in letter.body
    field.watches_idly()
    assert field.letters.empty() == []
    chain.go_on()
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag
