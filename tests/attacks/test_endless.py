"""Answers that never end, or come byte by byte: every one of them has a limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED
from tests.attacks.field import Field, within
from tests.attacks.people import FRESHNESS, hours, replaced
from tests.lab.forgeries import Forgery
from tests.lab.front import Act, Endless, Fault, Slow
from tests.lab.hostile import (
    Deed,
    crawls,
    pack_after_nonsense,
    pack_without_end,
    to_fetches,
)
from tests.lab.recipes import Kind
from tests.lab.releases import TagText
from tests.lab.stack import OVERRIDE_FILE
from tests.scenes import watch

pytestmark = pytest.mark.real

MEGABYTES = 1 << 20
REFS = 16_000


def test_a_list_of_refs_has_an_end(field: Field) -> None:
    """More tags than any list of releases, each of them a name that costs nothing to make."""
    repository = field.lab.origin.repository
    commit = field.lab.publisher.releases[0].commit
    names = [f"refs/tags/a-tag-with-a-rather-long-name-{number}" for number in range(REFS)]
    lines = "".join(f"create {name} {commit}\n" for name in names)
    repository.git("update-ref", "--stdin", stdin=lines.encode())
    try:
        field.cannot_poll("source.list_limit", "lists more than 1048576 bytes of refs")
    finally:
        lines = "".join(f"delete {name}\n" for name in names)
        repository.git("update-ref", "--stdin", stdin=lines.encode())
    field.watches_idly()


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Endless(), "did not end within 3 s"), (Slow(1), "did not end within 3 s")],
    ids=["a list without end", "one byte a second"],
)
def test_a_list_of_refs_has_its_time(field: Field, fault: Fault, words: str) -> None:
    """A server that goes on sending, or hardly sends, holds the agent up for so long."""
    hurried = field.under(source={"timeout": 3})
    with field.failing(field.lab.origin.front, fault), within(30):
        hurried.cannot_poll("source.slow", words)
    field.watches_idly()


@pytest.mark.parametrize(
    "deed", [pack_without_end, pack_after_nonsense()], ids=["at once", "after nonsense"]
)
def test_a_pack_has_an_end(field: Field, deed: Deed) -> None:
    """An object of a terabyte: refused for good, or each tick would cost as much again."""
    hurried = field.under(source={"timeout": 8})
    release = field.lab.publisher.publish(Kind.GOOD)
    with field.failing(field.lab.origin.front, Act(to_fetches(deed))):
        hurried.refuses(release.tag, "source.limit", "sent more than 67108864 bytes for one")
    field.forger.withdraw(release)


def test_what_came_in_the_place_of_a_release_is_not_held_against_it_for_ever(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag is good; whoever answered for the source that one time has gone."""
    field.lab.association.renew(expires=hours(72))
    field.settles()
    release = field.lab.publisher.publish(Kind.GOOD)
    with field.failing(field.lab.origin.front, Act(to_fetches(pack_without_end))):
        field.refuses(release.tag, "source.limit", "sent more than 67108864 bytes for one")
    field.watches_idly()
    ahead = datetime.now(UTC) + timedelta(hours=49)
    monkeypatch.setattr("koprogo_agent.adapters.clock.SystemClock.now", lambda _clock: ahead)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag
    monkeypatch.undo()
    field.lab.association.renew()


def test_a_fetch_has_its_time(field: Field) -> None:
    """One byte a second of a pack: the release is not blamed, and such a poll did not succeed."""
    release = field.lab.publisher.publish(Kind.GOOD)
    hurried = field.under(source={"timeout": 3})
    with field.failing(field.lab.origin.front, Act(to_fetches(crawls(1)))), within(30):
        hurried.cannot_poll("source.slow", "did not end within 3 s")
    field.forger.withdraw(release)


@pytest.mark.parametrize(
    "forgery",
    [Forgery.HUGE_MESSAGE, Forgery.HUGE_MANIFEST],
    ids=lambda one: one.name.lower(),
)
def test_a_message_and_a_manifest_have_an_end(field: Field, forgery: Forgery) -> None:
    """Signed as it should be, and refused unread."""
    field.try_out(forgery, *REFUSED[forgery])


def test_a_tag_that_swells_has_an_end(field: Field) -> None:
    """A message that is packed in kilobytes, and has more than git may print for us."""
    draft = field.lab.publisher.draft()
    message = f"{'long ' * 4 * MEGABYTES}\n{draft.message()}"
    raw = TagText(draft.commit, draft.tag, message).raw()
    raw += field.lab.keys.ssh.sign(raw)
    with field.published(field.forger.publish(raw, draft)) as forged:
        field.refuses(forged.tag, "source.limit", "more than 16777216 bytes")


def test_a_file_that_swells_has_an_end(field: Field) -> None:
    """The same for a file that a release deploys."""
    forged = field.forger.other_content({OVERRIDE_FILE: bytes(40 * MEGABYTES)})
    with field.published(forged):
        words = "more than 16777216 bytes"
        field.stops(forged.tag, Outcome.CANCELLED, "source.limit", words)


@pytest.mark.parametrize("what", ["root", "freshness"])
def test_a_document_of_the_trust_branch_has_an_end(field: Field, what: str) -> None:
    """The same for a trust root and for freshness, and the other one is read all the same."""
    name = FRESHNESS if what == "freshness" else "root/2.json"
    with replaced(field.lab, name, bytes(40 * MEGABYTES)):
        field.disbelieves(what, "source.limit", "more than 16777216 bytes")
    field.settles()
