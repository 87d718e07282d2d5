"""Answers that never end, or come byte by byte: every one of them has a limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from koprogo_agent.adapters.images import RegistryImages
from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED
from tests.attacks.field import Field
from tests.attacks.people import FRESHNESS, replaced
from tests.lab.forgeries import Forgery
from tests.lab.front import Act, Endless, Fault, Slow
from tests.lab.hostile import (
    Deed,
    crawls,
    never_ends,
    pack_after_nonsense,
    pack_without_end,
    to_fetches,
)
from tests.lab.recipes import Kind
from tests.lab.registry import INDEX_TYPE
from tests.lab.releases import TagText
from tests.lab.stack import INGRESS_FILE

pytestmark = pytest.mark.real

MEGABYTES = 1 << 20
REFS = 16_000
LAYER = "application/octet-stream"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """It takes no longer: the limit held, and not the next one behind it."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# --- the source


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
    with field.failing(field.lab.origin.front, fault), within(10):
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


def test_a_fetch_has_its_time(field: Field) -> None:
    """One byte a second of a pack: the release is not blamed, and such a poll did not succeed."""
    release = field.lab.publisher.publish(Kind.GOOD)
    hurried = field.under(source={"timeout": 3})
    with field.failing(field.lab.origin.front, Act(to_fetches(crawls(1)))), within(10):
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
    forged = field.forger.other_content({INGRESS_FILE: bytes(40 * MEGABYTES)})
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


# --- the registry


@pytest.fixture
def brisk(field: Field, monkeypatch: pytest.MonkeyPatch) -> Field:
    """An agent that gives a registry three seconds without a sign of life, not two minutes."""
    monkeypatch.setattr(
        "koprogo_agent.wiring.RegistryImages", partial(RegistryImages, stall_seconds=3)
    )
    return field


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("deed", "where"),
    [
        (never_ends(INDEX_TYPE), "/koprogo/.*/manifests/"),
        (crawls(1), "/koprogo/.*/manifests/"),
        (crawls(1), "/koprogo/.*/blobs/"),
    ],
    ids=["a manifest without end", "a manifest byte by byte", "a layer byte by byte"],
)
def test_a_registry_has_its_time(brisk: Field, deed: Deed, where: str) -> None:
    """Later again, by the agent's own word: the release is not blamed for it."""
    release = brisk.lab.publisher.publish(Kind.GOOD, ballast=4 * MEGABYTES)
    with brisk.failing(brisk.lab.registry.front, Act(deed, where)), within(30):
        words = ("the pull of .*@sha256:", "stood still for 3 s")
        brisk.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    brisk.forger.withdraw(release)


@pytest.mark.timeout(60)
def test_a_layer_that_drips_has_its_time(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just fast enough never to stand still: a hundred megabytes would take a day."""
    monkeypatch.setattr(
        "koprogo_agent.wiring.RegistryImages",
        partial(RegistryImages, stall_seconds=3, least_pace=100_000),
    )
    release = field.lab.publisher.publish(Kind.GOOD, ballast=4 * MEGABYTES)
    drips = Act(crawls(20_000), "/koprogo/.*/blobs/")
    with field.failing(field.lab.registry.front, drips), within(30):
        words = ("the pull of .*@sha256:", "less than 100000 bytes a second")
        field.stops(release.tag, Outcome.POSTPONED, "registry.unreachable", *words)
    field.forger.withdraw(release)


@pytest.mark.timeout(60)
def test_a_layer_has_an_end(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the engine stores it until the disk of the whole machine is full."""
    monkeypatch.setattr(
        "koprogo_agent.wiring.RegistryImages",
        partial(RegistryImages, stall_seconds=3, most_bytes=64 * MEGABYTES),
    )
    release = field.lab.publisher.publish(Kind.GOOD)
    endless = Act(never_ends(LAYER), "/koprogo/.*/blobs/")
    with field.failing(field.lab.registry.front, endless), within(30):
        words = ("the pull of .*@sha256:", "more than 67108864 bytes")
        field.stops(release.tag, Outcome.POSTPONED, "registry.limit", *words)
    field.forger.withdraw(release)
