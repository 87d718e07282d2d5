"""Trust roots as they are made, and who must sign them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from koprogo_agent.domain.armour import Kind, Purpose
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.root import RoleName, Root
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.release.roots import Change, file_name, first_root, next_root, signed
from koprogo_agent.release.trust import require_root, tallies
from tests.cases import NOW
from tests.simulation.signing import SimSignatures, fingerprint, public, sign

VALID = timedelta(days=730)
TOOLS = SimSignatures()


def key(name: str) -> Key:
    """Somebody's key."""
    return Key(name, Kind.SSH, fingerprint(name), public(name))


PEOPLE = tuple(key(name) for name in ("ann", "bob", "cem"))
FOUNDED = first_root("koprogo", Change(VALID, add=PEOPLE, online=(key("job"),), threshold=2), NOW)


def by(root: Root, *names: str) -> Root:
    """The root with these people's signatures."""
    for name in names:
        root = signed(root, sign(name, Purpose.ROOT, root.envelope.payload))
    return root


def names(root: Root, role: RoleName) -> tuple[str, ...]:
    """Who may sign in a role."""
    return tuple(one.name for one in root.role(role).keys)


def test_people_sign_all_and_the_job_signs_freshness_alone() -> None:
    """A person must be able to hold a release at once; the key on a server starts nothing."""
    for role in (RoleName.RELEASE, RoleName.ROOT):
        assert names(FOUNDED, role) == ("ann", "bob", "cem")
    assert names(FOUNDED, RoleName.FRESHNESS) == ("job", "ann", "bob", "cem")
    assert [FOUNDED.role(one).threshold for one in RoleName] == [2, 2, 1]
    assert (FOUNDED.version, FOUNDED.expires) == (1, NOW + VALID)
    assert file_name(FOUNDED) == "koprogo-root-1.draft.json"
    other = first_root("koprogo-agent", Change(VALID, add=PEOPLE), NOW)
    assert file_name(other) == "koprogo-agent-root-1.draft.json"


def test_a_root_threshold_of_its_own_is_kept() -> None:
    """Changing who decides may ask for more than deciding does."""
    change = Change(VALID, add=PEOPLE, threshold=2, root_threshold=3)
    root = first_root("koprogo", change, NOW)
    assert [root.role(one).threshold for one in (RoleName.RELEASE, RoleName.ROOT)] == [2, 3]


def test_the_next_root_has_what_was_not_changed() -> None:
    """A rotation that says nothing but its date renews the dates."""
    later = NOW + timedelta(days=600)
    root = next_root(FOUNDED, Change(VALID), later)
    assert (root.version, root.expires) == (2, later + VALID)
    assert root.roles == FOUNDED.roles


def test_whoever_is_taken_out_is_in_no_role() -> None:
    """Also where another key takes the same name."""
    root = next_root(FOUNDED, Change(VALID, remove=("ann",), add=(key("dan"),)), NOW)
    assert names(root, RoleName.RELEASE) == ("bob", "cem", "dan")
    assert "ann" not in names(root, RoleName.FRESHNESS)

    fresh = Key("ann", Kind.SSH, fingerprint("ann2"), public("ann2"))
    root = next_root(FOUNDED, Change(VALID, remove=("ann",), add=(fresh,)), NOW)
    assert fresh in root.role(RoleName.ROOT).keys


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (Change(VALID, remove=("ann", "bob")), "root.threshold", "2 of 1 keys"),
        (Change(VALID, threshold=4), "root.threshold", "4 of 3 keys"),
        (Change(VALID, root_threshold=4), "root.threshold", "role root"),
        (Change(VALID, remove=("dan",)), "key.name", "no key dan"),
        (Change(VALID, add=(key("ann"),)), "key.name", "--remove ann"),
        (
            Change(VALID, add=(Key("eve", Kind.SSH, fingerprint("ann"), public("ann")),)),
            "key.twice",
            "the one of ann",
        ),
    ],
)
def test_what_could_never_be_used_is_not_made(change: Change, code: str, said: str) -> None:
    """An unreachable threshold would be found only when it is too late."""
    with pytest.raises(NeedsOperator) as refused:
        next_root(FOUNDED, change, NOW)
    assert refused.value.code == code
    assert said in f"{refused.value.message} {refused.value.advice}"


def test_the_first_root_is_believed_with_its_own_threshold() -> None:
    """And by nobody before."""
    with pytest.raises(Refused):
        require_root(None, by(FOUNDED, "ann", "ann"), TOOLS, NOW)
    require_root(None, by(FOUNDED, "ann", "cem"), TOOLS, NOW)


def test_the_next_root_needs_the_old_keys_and_the_new_ones() -> None:
    """The tally says of each how many are still missing, as the rule then counts them."""
    root = next_root(FOUNDED, Change(VALID, remove=("ann",), add=(key("dan"),)), NOW)

    half = by(root, "bob", "dan")
    old, new = tallies(FOUNDED, half, TOOLS, NOW)
    assert (old.missing, old.waiting) == (1, ("ann", "cem"))
    assert (new.missing, new.waiting) == (0, ("cem",))
    with pytest.raises(Refused):
        require_root(FOUNDED, half, TOOLS, NOW)

    whole = by(half, "cem")
    assert [one.missing for one in tallies(FOUNDED, whole, TOOLS, NOW)] == [0, 0]
    require_root(FOUNDED, whole, TOOLS, NOW)
