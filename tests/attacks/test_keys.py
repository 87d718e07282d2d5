"""Keys that are too old, too young, revoked or too few: whose signature counts, and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED
from tests.attacks.field import Field
from tests.attacks.people import LONG_AGO, Chain, fingerprint, hours, tagged, vouch
from tests.lab.forgeries import Forgery
from tests.lab.keys import GIT_NAMESPACE, GpgKey
from tests.lab.processes import run
from tests.lab.recipes import Kind
from tests.lab.security_key import Ed25519Sk, SecurityKey
from tests.lab.trust import entry
from tests.scenes import watch

pytestmark = pytest.mark.real

ZONES = ("EAST-14", "WEST12")
"""The first and the last place on earth where a day begins, as POSIX writes them."""


@pytest.fixture(scope="module")
def chain(field: Field) -> Chain:
    """The trust roots of this module's lab."""
    return Chain.of(field.lab)


# --- validity: judged at the first sight of a tag, by our own clock


@pytest.mark.parametrize(
    "forgery",
    [Forgery.EXPIRED_GPG_KEY, Forgery.REVOKED_GPG_KEY],
    ids=lambda one: one.name.lower(),
)
def test_a_gpg_key_that_says_itself_that_it_is_over_signs_nothing(
    field: Field, forgery: Forgery
) -> None:
    """By gpgv's status lines: it exits with 0 for both. The first tag is backdated by years."""
    field.try_out(forgery, *REFUSED[forgery])


@pytest.mark.parametrize(
    ("name", "limit", "away", "code", "words"),
    [
        ("early", "valid_from", 1, "signature.not_yet", "is not valid before 20"),
        ("late", "valid_until", -1, "signature.expired", "is not valid since 20"),
    ],
    ids=["too early", "too late"],
)
def test_a_key_outside_of_its_time_signs_nothing(
    field: Field, chain: Chain, name: str, limit: str, away: float, code: str, words: str
) -> None:
    """By the trust root's word, whatever the tagger says that the time is."""
    key = chain.person(name, **{limit: hours(away)})
    chain.admit(name)
    chain.go_on()
    draft = field.lab.publisher.draft()
    forged = field.forger.publish(tagged(draft, key, tagger=LONG_AGO), draft)
    with field.published(forged):
        field.refuses(forged.tag, code, f"the key {name} ", "SHA256:", words)


def test_a_security_key_that_nobody_touched_signs_nothing(field: Field, chain: Chain) -> None:
    """Malware may use what is plugged into the release manager's laptop, but has no finger."""
    key = SecurityKey(Ed25519Sk())
    chain.keys["plugged-in"] = entry(key)
    chain.admit("plugged-in")
    chain.go_on()
    draft = field.lab.publisher.draft()
    with field.published(field.forger.publish(tagged(draft, key.alone()), draft)):
        words = "the security key plugged-in although nobody touched it"
        field.refuses(draft.tag, "signature.untouched", words)
    with field.published(field.forger.publish(tagged(draft, key), draft)):
        assert field.types("verify", draft.tag).returncode == Exit.DONE


@pytest.mark.parametrize(
    "forgery",
    [Forgery.EXPIRED_MANIFEST, Forgery.FUTURE_MANIFEST],
    ids=lambda one: one.name.lower(),
)
def test_years_between_the_clock_and_a_release_let_nothing_in(
    field: Field, forgery: Forgery
) -> None:
    """Either way; the clock is suspected, in words that say how to look at it."""
    with field.published(field.forger.forge(forgery)) as forged:
        field.refuses(forged.tag, *REFUSED[forgery])
        said = field.types("update", forged.tag)
    assert said.returncode == Exit.REFUSED
    assert "timedatectl" in said.stderr


@pytest.mark.parametrize("zone", ZONES)
def test_a_machine_in_another_time_zone_judges_as_all_others_do(
    field: Field, chain: Chain, zone: str
) -> None:
    """Half a day and more from UTC, either way, and every limit is two hours from now."""
    limits = {
        "present": {"valid_from": hours(-2), "valid_until": hours(2)},
        "future": {"valid_from": hours(2)},
        "past": {"valid_until": hours(-2)},
    }
    keys = {name: chain.person(name, **limit) for name, limit in limits.items()}
    chain.roles["release"] = (["release", *keys], 1)
    chain.go_on()
    field.lab.association.renew(issued=hours(-46), expires=hours(2))
    drafts = {name: field.lab.publisher.draft() for name in keys}
    forged = {
        name: field.forger.publish(tagged(draft, keys[name]), draft)
        for name, draft in drafts.items()
    }
    shown = json.loads(field.types("check", "--json", environment={"TZ": zone}).stdout)["releases"]
    found = {one["tag"]: (one["stand"], one["code"]) for one in shown}
    for one in forged.values():
        field.forger.withdraw(one)
    field.lab.association.renew()
    assert {name: found[one.tag] for name, one in forged.items()} == {
        "present": ("next", None),
        "future": ("refused", "signature.not_yet"),
        "past": ("refused", "signature.expired"),
    }


def test_a_key_that_the_operator_revoked_signs_nothing_until_it_is_forgiven(field: Field) -> None:
    """The operator's own brake, on this machine alone: at once, and it can be let go."""
    revoked = field.instance.settings.trust.directory / "revoked"
    revoked.write_text(f"{fingerprint(field.lab.keys.ssh)}  # the laptop was stolen\n")
    release = field.lab.publisher.publish(Kind.GOOD)
    field.refuses(release.tag, "signature.revoked", "the key release ", "revoked on this machine")
    revoked.unlink()
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag


# --- thresholds: distinct keys count, not names and not signatures


@pytest.fixture(scope="module")
def three(field: Field, chain: Chain) -> Chain:
    """From here on two of three people must sign, and so must two for the next root."""
    people = [chain.person(name) for name in ("alice", "bob", "carol")]
    names = ["alice", "bob", "carol"]
    chain.roles |= {"root": (names, 2), "release": (names, 2)}
    chain.signers = [chain.lab.keys.ssh, *people[:2]]
    chain.go_on()
    chain.signers = people[:2]
    field.settles()
    return chain


Vouching = Callable[[Chain, Any], Sequence[str]]
_TOO_FEW: dict[str, Vouching] = {
    "alone": lambda _chain, _draft: [],
    "with herself": lambda chain, draft: vouch(draft, chain.person("alice")),
    "with herself, twice": lambda chain, draft: vouch(draft, *[chain.person("alice")] * 2),
    "with a stranger": lambda chain, draft: vouch(draft, chain.lab.keys.other_ssh),
    "with the online key": lambda chain, draft: vouch(draft, chain.lab.keys.freshness),
    "with a word about another release": lambda chain, _draft: vouch(
        chain.lab.publisher.releases[-1].draft, chain.person("bob")
    ),
    "with a word for another purpose": lambda chain, draft: vouch(
        draft, chain.person("bob"), namespace=GIT_NAMESPACE
    ),
}


@pytest.mark.parametrize("vouching", _TOO_FEW.values(), ids=_TOO_FEW)
def test_one_of_two_keys_is_not_enough_however_often_it_signs(
    field: Field, three: Chain, vouching: Vouching
) -> None:
    """The same key twice is one; those who may not sign releases, or did not sign this, none."""
    draft = field.lab.publisher.draft()
    raw = tagged(draft, three.person("alice"), vouching(three, draft))
    with field.published(field.forger.publish(raw, draft)) as forged:
        field.refuses(forged.tag, "trust.threshold", "by 1 of the 2 keys .* sign it: alice(;|$)")


def test_a_second_key_that_the_operator_revoked_does_not_count(field: Field, three: Chain) -> None:
    """One of the two keys was stolen, and this machine knows of it first."""
    revoked = field.instance.settings.trust.directory / "revoked"
    revoked.write_text(fingerprint(three.person("bob")))
    draft = field.lab.publisher.draft()
    raw = tagged(draft, three.person("alice"), vouch(draft, three.person("bob")))
    with field.published(field.forger.publish(raw, draft)) as forged:
        words = ("by 1 of the 2 keys", "bob does not count: .* revoked on this machine")
        field.refuses(forged.tag, "trust.threshold", *words)
    revoked.unlink()


def test_two_keys_are_enough_and_both_are_named(field: Field, three: Chain) -> None:
    """A third signature that is no good spoils nothing."""
    lab = field.lab
    carol, others = three.person("carol"), (lab.keys.other_ssh, three.person("bob"))
    release = lab.publisher.publish(Kind.GOOD, signer=carol, cosigners=others)
    said = field.types("verify", release.tag)
    assert said.returncode == Exit.DONE, said.stdout
    named = [line.split()[2] for line in said.stdout.splitlines() if "signed by" in line]
    assert named == ["carol", "bob"]
    field.letters.empty()
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag
    (letter,) = field.letters.empty()
    assert letter.title == f"KoproGo: {release.tag} is installed and healthy"


def test_one_person_with_two_names_is_one(field: Field, three: Chain) -> None:
    """A root that lists one key under two names is refused, whoever signed it."""
    three.keys["alicia"] = entry(three.person("alice"))
    three.roles["release"] = (["alice", "alicia", "bob"], 2)
    with three.followed_by(three.raw()):
        field.disbelieves("root", "root.invalid", "one key under two names")
    three.roles["release"] = (["alice", "bob", "carol"], 2)
    field.settles()


def test_one_gpg_key_with_two_hands_is_one(field: Field, three: Chain) -> None:
    """Subkeys belong to one person: the primary key is what counts."""
    gina = GpgKey.create(field.lab.root / "k" / "g5", "gina")
    home = ("gpg", "--homedir", str(gina.home), "--batch", "--quiet", "--passphrase", "")
    run([*home, "--quick-add-key", gina.fingerprint, "ed25519", "sign", "never"])
    listed = run([*home, "--with-colons", "--list-keys"]).decode().splitlines()
    hand = [line.split(":")[9] for line in listed if line.startswith("fpr:")][1]
    three.keys["gina"] = entry(gina)
    three.admit("gina")
    three.go_on()
    draft = field.lab.publisher.draft()
    raw = tagged(draft, gina, vouch(draft, replace(gina, fingerprint=f"{hand}!")))
    with field.published(field.forger.publish(raw, draft)) as forged:
        field.refuses(forged.tag, "trust.threshold", "by 1 of the 2 keys .* sign it: gina$")


# --- the chain of roots: the next one needs the old people's word and the new people's


_ROOTS: dict[str, tuple[Sequence[str], Mapping[str, object], str, str]] = {
    "by nobody": ((), {}, "trust.threshold", "by 0 of the 2 keys"),
    "by the new people alone": (
        *(("dora", "emil"), {}, "trust.threshold"),
        "held against the keys of trust root OLD, is signed by 0 of the 2",
    ),
    "by the old people alone": (
        *(("alice", "bob"), {}, "trust.threshold"),
        "held against the keys of trust root NEW, is signed by 0 of the 2",
    ),
    "by one of each": (("alice", "dora"), {}, "trust.threshold", "by 1 of the 2 keys"),
    "that leaves one out": (
        *(("alice", "bob", "dora", "emil"), {"version": 99}, "root.version"),
        "holds version 99",
    ),
    "of another product": (
        *(("alice", "bob", "dora", "emil"), {"product": "other"}, "root.product"),
        "for 'other', and the one before it for 'koprogo'",
    ),
    "from the future": (
        *(("alice", "bob", "dora", "emil"), {"issued": hours(2)}, "root.not_yet"),
        "issued at 20.*, but it is 20",
    ),
}


@pytest.mark.parametrize("case", _ROOTS)
def test_a_root_that_does_not_follow_is_not_believed(field: Field, three: Chain, case: str) -> None:
    """Whoever would put their own keys there needs the threshold of those who are there."""
    signers, changes, code, words = _ROOTS[case]
    roles, new = dict(three.roles), ["dora", "emil"]
    people = {name: three.person(name) for name in {*signers, *new}}
    three.roles |= {"root": (new, 2), "release": (new, 2)}
    raw = three.raw([people[name] for name in signers], changes)
    three.roles = roles
    words = words.replace("OLD", str(three.version)).replace("NEW", str(three.version + 1))
    with three.followed_by(raw):
        field.disbelieves("root", code, words)
    field.settles()


def test_a_key_that_was_rotated_out_signs_nothing_any_more(field: Field, three: Chain) -> None:
    """A key is lost: two of the others take it out, and what it signs is refused."""
    three.roles |= {"root": (["alice", "bob"], 2), "release": (["alice", "bob"], 2)}
    three.go_on()
    draft = field.lab.publisher.draft()
    raw = tagged(draft, three.person("alice"), vouch(draft, three.person("carol")))
    with field.published(field.forger.publish(raw, draft)) as forged:
        words = ("by 1 of the 2 keys", "not in the trust root")
        field.refuses(forged.tag, "trust.threshold", *words)
    alice, bob = three.person("alice"), three.person("bob")
    release = field.lab.publisher.publish(Kind.GOOD, signer=alice, cosigners=[bob])
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == release.tag
