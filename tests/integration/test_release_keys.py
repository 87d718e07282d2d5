"""Keys of real tools: what can sign, who may, and that no private key is ever read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent.domain.armour import Kind
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.release.keyring import read_public
from tests.desks import JOB, Workshop
from tests.lab.engine import Engine
from tests.lab.processes import run
from tests.offices import workshop

pytestmark = pytest.mark.real

DRAFT = "koprogo-root-1.draft.json"


@pytest.fixture(scope="module")
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """Two people, one with SSH and one with GPG, and a trust root that waits for both."""
    with workshop(lab_engine, {"alice": Kind.SSH, "carol": Kind.GPG}) as made:
        people = [word for name in ("alice", "carol") for word in ("--person", made.person(name))]
        online = f"{JOB}={made.online}"
        made["alice"].must("init", *people, "--threshold", "2", "--freshness", online)
        made.carry(DRAFT, "alice", "carol")
        yield made


def test_without_an_agent_nothing_is_signed(shop: Workshop) -> None:
    """And one is told how to start one."""
    done = shop["alice"].type("sign", DRAFT, "--key", "alice", env={"SSH_AUTH_SOCK": "/nowhere"})
    assert done.returncode == 5
    assert "no SSH agent is running here" in done.stderr
    assert 'eval "$(ssh-agent)"; ssh-add FILE' in done.stderr


def test_a_key_that_the_agent_lacks_is_not_looked_for_anywhere_else(shop: Workshop) -> None:
    """The private key lies beside the public one, readable, and is not touched."""
    alice = shop["alice"]
    private = alice.home / "keys/alice"
    private.read_bytes()
    run(["ssh-add", "-q", "-D"], env=alice.environment)

    done = alice.type("sign", DRAFT)

    assert (done.returncode, "is at hand" in done.stderr) == (5, True)
    assert "ssh-add FILE   (alice's private key)" in done.stderr
    assert "gpg --import FILE   (carol's secret key)" in done.stderr
    run(["ssh-add", "-q", str(private)], env=alice.environment)


def test_a_key_signs_only_in_its_role(shop: Workshop) -> None:
    """The freshness job's key is none of the root's, whoever asks for it."""
    (shop[JOB].clone / DRAFT).write_bytes((shop["alice"].clone / DRAFT).read_bytes())
    done = shop[JOB].type("sign", DRAFT, "--key", JOB)
    assert (done.returncode, "job is not one of the root keys" in done.stderr) == (5, True)
    assert "these are: alice, carol" in done.stderr
    assert "is at hand" in shop[JOB].type("sign", DRAFT).stderr


def test_where_several_are_at_hand_one_must_say_which(shop: Workshop) -> None:
    """Nobody signs with another key than they think."""
    alice, carol = shop["alice"], shop["carol"]
    both = {"SSH_AUTH_SOCK": str(alice.agent)}
    folder = carol.home / "carried"

    done = carol.type("cosign", DRAFT, "--yes", folder=folder, env=both)
    assert (done.returncode, "at hand: alice, carol" in done.stderr) == (5, True)
    assert "--key alice" in done.stderr

    done = carol.type("cosign", DRAFT, "--yes", "--key", "carol", folder=folder, env=both)
    assert done.returncode == 0
    assert "signed now      carol (gpg" in done.stdout


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_public_key_is_known_by_the_fingerprint_that_people_compare(
    kind: str, tmp_path: Path
) -> None:
    """Whatever its kind, and its comment."""
    file = tmp_path / "key"
    run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", 'odd "comment"', "-f", str(file)])
    shown = run(["ssh-keygen", "-lf", f"{file}.pub"]).decode().split()[1]

    key = read_public("ann", f"{file}.pub")

    assert (key.name, key.kind, key.fingerprint) == ("ann", Kind.SSH, shown)
    with pytest.raises(NeedsOperator, match="no SSH public key") as refused:
        read_public("ann", str(file))
    assert "never the private key" in refused.value.advice


def test_a_gpg_key_is_known_by_its_primary_key(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where somebody gives the fingerprint of a subkey, in groups as GPG prints it."""
    carol = shop["carol"]
    monkeypatch.setenv("GNUPGHOME", str(carol.gnupg))
    primary = shop.keys["carol"]
    add = ("--quick-add-key", primary, "cv25519", "encr", "never")
    run(
        ["gpg", "--batch", "--passphrase=", "--pinentry-mode=loopback", *add], env=carol.environment
    )
    listed = run(["gpg", "--with-colons", "--list-keys"], env=carol.environment).decode()
    subkey = [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")][-1]
    assert subkey != primary

    key = read_public("carol", " ".join(subkey[i : i + 4] for i in range(0, 40, 4)))

    assert (key.kind, key.fingerprint) == (Kind.GPG, primary)


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("ann", "/nowhere.pub", "key.file"),
        ("ann", "/etc/hostname", "key.malformed"),
        ("ann", "A" * 40, "key.file"),
        ("a n", "/nowhere.pub", "key.name"),
    ],
)
def test_what_is_no_key_is_told_apart(name: str, given: str, code: str) -> None:
    """A mistake in a ceremony is found while everybody is in the room."""
    with pytest.raises(NeedsOperator) as refused:
        read_public(name, given)
    assert refused.value.code == code


def test_one_of_one_is_allowed_and_loudly_named(shop: Workshop) -> None:
    """A single maintainer has no choice, and must know it."""
    alice = shop["alice"]
    folder = alice.clone / "alone"
    folder.mkdir()
    made = alice.must("init", "--person", shop.person("alice"), "--threshold=1", folder=folder)
    assert "WARNING: 1 of 1 for the role release: one stolen key is enough" in made
    assert "somebody must renew it every two days by hand" in made
