"""What a release's tree must not hold, and paths that would lead out of the stack's folder."""

from __future__ import annotations

import pytest

from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED, STOPPED
from tests.attacks.field import Field
from tests.attacks.people import replaced
from tests.lab.forgeries import Forgery
from tests.lab.repository import LINK

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "forgery",
    [
        Forgery.PATH_TRAVERSAL,
        Forgery.ABSOLUTE_PATH,
        Forgery.GIT_PATH,
        Forgery.CLIMBING_TREE,
        Forgery.GIT_TREE,
    ],
    ids=lambda one: one.name.lower(),
)
def test_a_path_that_leads_elsewhere_is_refused(field: Field, forgery: Forgery) -> None:
    """In the manifest by the agent's rule; in a tree git does not even store it."""
    field.try_out(forgery, *REFUSED[forgery])


@pytest.mark.parametrize("forgery", STOPPED, ids=lambda one: one.name.lower())
def test_what_is_deployed_is_a_regular_file_of_the_commit(field: Field, forgery: Forgery) -> None:
    """A link leads elsewhere, a submodule brings what nobody signed: not one image is pulled."""
    with field.published(field.forger.forge(forgery)) as forged:
        watched = field.stops(forged.tag, Outcome.CANCELLED, *STOPPED[forgery])
    assert watched.seen.actions[0] == "stage"
    assert "pull" not in watched.seen.actions


def test_a_freshness_document_is_a_regular_file(field: Field) -> None:
    """A link is not followed on this machine, nor in the tree."""
    association, repository = field.lab.association, field.lab.origin.repository
    linked = repository.store("blob", b"root/1.json")
    with replaced(field.lab, "freshness.json", None):
        raw = repository.read("tree", "refs/heads/trust^{tree}")
        entry = f"{LINK} freshness.json\0".encode() + bytes.fromhex(linked)
        tree = repository.store("tree", entry + raw)
        repository.point("refs/heads/trust", repository.commit(tree, [], "Trust", 1_700_000_000))
        field.disbelieves("freshness", "file.kind", r"not a regular file \(mode 120000\)")
    association.publish({})
    field.settles()


@pytest.mark.parametrize(
    "files",
    [
        {"root/a b.json": b"{}", "root/--all": b"{}", "root/2.json/x": b"{}"},
        {f"root/{number}.json": b"{}" for number in range(1000, 11_100)},
    ],
    ids=["odd names", "too many files"],
)
def test_a_spoiled_folder_of_roots_stops_no_poll(field: Field, files: dict[str, bytes]) -> None:
    """What is asked for is the next root alone; and freshness is read all the same."""
    association = field.lab.association
    before = dict(association.files)
    association.renew()
    renewed = association.files["freshness.json"]
    association.publish(files)
    field.watches_idly()
    with field.instance.engine() as engine:
        believed = engine.authority.freshness
        assert engine.standing.polls.failure is None
    assert believed is not None
    assert believed.envelope.raw() == renewed
    assert field.letters.empty() == []
    association.files = {**before, "freshness.json": renewed}
    association.publish({})
    field.settles()
