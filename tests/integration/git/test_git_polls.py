"""A poll by the git adapter over smart HTTP with TLS, in good and bad weather."""

from __future__ import annotations

import pytest

from koprogo_agent.adapters.git.command import MAX_WAIT
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Listing
from tests.integration.git.bench import Bench, failure, fetch_failure
from tests.lab.front import Endless, Fault, Refuse, Silent, Slow, WrongCertificate

pytestmark = pytest.mark.real


def test_a_poll_lists_every_tag_and_the_trust_branch(bench: Bench) -> None:
    """Annotated, lightweight and odd names; other branches and peeled ids are left out."""
    commit, repository = bench.commit(), bench.origin.repository
    listed = {
        bench.tag("v1.0.0", commit),
        bench.tag("v1.1.0", commit),
        bench.tag("nightly/build", commit),
        bench.tag("trust", commit),
        TagRef("light", commit),
    }
    repository.point("refs/tags/light", commit)
    for other in ("refs/heads/main", "refs/heads/x/trust", "refs/trust", "refs/heads/trust2"):
        repository.point(other, commit)
    found = bench.git().list_refs()
    assert (len(found.tags), set(found.tags), found.trust) == (5, listed, None)
    trust = bench.commit()
    repository.point("refs/heads/trust", trust)
    assert bench.git().list_refs().trust == trust
    assert not bench.mirror.exists()


def test_a_poll_costs_at_most_4_kb(bench: Bench) -> None:
    """With TLS and all headers, for four releases; each one more adds its line of the list."""
    commit = bench.commit()
    costs = []
    for upto in (4, 14):
        for minor in range(upto):
            bench.tag(f"v1.{minor}.0", commit)
        costs.append(_poll_cost(bench))
    assert costs[0] <= 4096, costs
    assert (costs[1] - costs[0]) / 10 <= 120, costs


def _poll_cost(bench: Bench) -> float:
    """Bytes of a poll."""
    git = bench.git()
    git.list_refs()
    before = bench.origin.front.traffic()
    for _ in range(5):
        git.list_refs()
    return (bench.origin.front.traffic() - before).bytes / 5


def test_a_list_without_end_is_given_up(bench: Bench) -> None:
    """16,000 tags are more than any list of releases."""
    commit = bench.commit()
    lines = (f"create refs/tags/a-tag-with-a-rather-long-name-{n} {commit}\n" for n in range(16000))
    bench.origin.repository.git("update-ref", "--stdin", stdin="".join(lines).encode())
    assert failure(bench.git()).code == "source.list_limit"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refuse(500), "source.unreachable"),
        (Refuse(503), "source.unreachable"),
        (Refuse(401), "source.denied"),
        (Refuse(403), "source.denied"),
        (Refuse(404), "source.denied"),
        (Refuse(429), "source.rate_limited"),
        (WrongCertificate(), "source.certificate"),
        (Silent(), "source.slow"),
        (Slow(20), "source.slow"),
        (Endless(), "source.slow"),
    ],
)
def test_a_source_that_fails_is_asked_again_later(bench: Bench, fault: Fault, code: str) -> None:
    """Whatever it does, and a poll after it is healed succeeds."""
    ref = bench.tag("v1.0.0", bench.commit())
    bench.origin.front.fail(fault)
    for error in (failure(bench.git(timeout=2)), fetch_failure(bench.git(timeout=2), ref)):
        assert isinstance(error, RetryLater)
        assert error.code == code
        assert error.after is None
    bench.origin.front.heal()
    assert bench.git().list_refs().tags == (ref,)
    assert bench.git().fetch(ref)


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "unreachable")])
def test_the_source_says_when_to_come_back(bench: Bench, status: int, code: str) -> None:
    """Its Retry-After is honoured, but not without bounds."""
    for header, seconds in (("77", 77), ("99999999", MAX_WAIT), ("soon", None)):
        bench.origin.front.fail(Refuse(status, retry_after=header))
        error = failure(bench.git())
        assert isinstance(error, RetryLater)
        assert (error.code, error.after) == (f"source.{code}", seconds)


def test_a_source_that_is_not_there_is_asked_again_later(bench: Bench) -> None:
    """Nobody listens, or the name does not exist."""
    bench.origin.front.stop()
    assert failure(bench.git()).code == "source.unreachable"
    assert failure(bench.git(url="https://nowhere.invalid/x.git")).code == "source.unreachable"
    bench.origin.front.start()


def test_a_page_that_is_not_git_is_no_successful_poll(bench: Bench) -> None:
    """A captive portal answers every address with a page, which git takes for an empty list."""
    page = "portal"
    bench.origin.repository.path.rename(bench.origin.repository.path.with_name("away.git"))
    folder = bench.origin.repository.path / "info"
    folder.mkdir(parents=True)
    (folder / "refs").write_text(f"<html>{page}</html>")
    assert isinstance(failure(bench.git()), RetryLater)


def test_a_repository_without_tags_has_none(bench: Bench) -> None:
    """A young project is no fault; a repository without anything is no source."""
    assert failure(bench.git()).code == "source.empty"
    bench.origin.repository.point("refs/heads/main", bench.commit())
    assert bench.git().list_refs() == Listing((), None)
