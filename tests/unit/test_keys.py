"""Public keys of a trust root: which kinds there are, and that each is the one it says it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from koprogo_agent.domain.armour import Kind
from koprogo_agent.domain.canonical import Fields, Format
from koprogo_agent.domain.keys import NAME, Key, read_key, ssh_fingerprint
from koprogo_agent.errors import Refused
from tests.simulation.signing import fingerprint, public

FORM = Format("the paper", "paper.invalid")
SSH_KINDS = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def ssh(kind: str, inside: str | None = None, body: bytes = b"\0" * 32) -> str:
    """An SSH public key of a kind, whose blob says that it is of the kind `inside`."""
    told = (kind if inside is None else inside).encode()
    return f"{kind} {base64.b64encode(len(told).to_bytes(4) + told + body).decode()}"


def gpg(first: int = 0x98, more: bytes = b"\x33\x04") -> str:
    """Base64 of what begins with a byte."""
    return base64.b64encode(bytes([first]) + more).decode()


def entry(**changes: object) -> dict[str, Any]:
    """An SSH key as a trust root writes it."""
    plain = {
        "kind": "ssh",
        "fingerprint": fingerprint("ann"),
        "public": public("ann"),
        "valid_from": None,
        "valid_until": None,
    }
    return {**plain, **changes}


def gpg_entry(**changes: object) -> dict[str, Any]:
    """A GPG key as a trust root writes it."""
    return entry(**{"kind": "gpg", "fingerprint": "AB" * 20, "public": gpg(), **changes})


def read(values: dict[str, Any]) -> Key:
    """The key of an entry."""
    return read_key("ann", Fields.of(FORM, values))


def refusal(values: dict[str, Any]) -> Refused:
    """The refusal of an entry."""
    with pytest.raises(Refused) as caught:
        read(values)
    return caught.value


def test_a_fingerprint_is_the_one_that_ssh_keygen_shows() -> None:
    """A real key, and what `ssh-keygen -l` printed for it."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFb/Ze0t/UltWYQIxnfYSW1u/d6yJ8x5vPpO3YXiIoox"
    shown = "SHA256:vUAXx0zseCbOXKdMLwhmsWRrO/ZGJr7YO9fzZ1v3N2E"
    assert ssh_fingerprint(key) == shown
    for end in (" ann@example.org", "\n", " ", " ann at home é\n"):
        assert ssh_fingerprint(f"{key}{end}") == shown


@pytest.mark.parametrize("kind", SSH_KINDS)
def test_every_kind_of_ssh_key_that_may_sign_has_a_fingerprint(kind: str) -> None:
    """Hardware-backed ones too."""
    assert ssh_fingerprint(ssh(kind)).startswith("SHA256:")
    assert len(ssh_fingerprint(ssh(kind))) == 50


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        f"ssh-ed25519  {public('ann').partition(' ')[2]}",
        f" {public('ann')}",
        f'namespaces="git" {public("ann")}',
        ssh("ssh-dss"),
        ssh("ssh-ed25519-cert-v01@openssh.com"),
        ssh("ssh-ed25519", "ssh-rsa"),
        ssh("ssh-rsa", "ssh-ed25519"),
        ssh("ssh-ed25519", ""),
        ssh("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"),
        public("ann")[:-1],
        f"ssh-ed25519 {'A' * 41}",
        f"ssh-ed25519 {'A' * 40}==",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        f"ssh-ed25519 {'é' * 68}",
    ],
)
def test_what_is_no_ssh_key_that_may_sign_has_none(text: str) -> None:
    """Nor has a key whose two names for its own kind differ: tools would read two keys."""
    with pytest.raises(Refused, match="no OpenSSH public key") as caught:
        ssh_fingerprint(text)
    assert (caught.value.code, ".pub" in caught.value.advice) == ("key.malformed", True)


@pytest.mark.parametrize(
    "text",
    [
        f"{public('ann')}!",
        f"{public('ann')}\tann",
        f"{public('ann')} ann\n\n",
        f"{public('ann')}\nssh-rsa x",
        ssh("ssh-rsa", body=b"\0" * 2400),
    ],
)
def test_a_key_ends_where_its_line_or_a_comment_begins(text: str) -> None:
    """What is taken for less than it is gets the fingerprint of another key."""
    with pytest.raises(Refused):
        ssh_fingerprint(text)


@pytest.mark.parametrize("kind", SSH_KINDS)
def test_an_ssh_key_is_read_with_all_that_is_said_of_it(kind: str) -> None:
    """Kind, fingerprint, the key itself, and nothing of when it is valid where nothing is said."""
    text = ssh(kind)
    key = read(entry(public=text, fingerprint=ssh_fingerprint(text)))
    assert key == Key("ann", Kind.SSH, ssh_fingerprint(text), text, None, None)


@pytest.mark.parametrize("first", [0x98, 0x99, 0x9A, 0x9B, 0xC6])
@pytest.mark.parametrize("digits", [40, 64])
def test_a_gpg_key_is_read_by_the_fingerprint_that_is_written(first: int, digits: int) -> None:
    """Its packets are gpgv's to read; here it is seen only that it begins as a key does."""
    key = read(gpg_entry(public=gpg(first), fingerprint="AB" * (digits // 2)))
    assert key == Key("ann", Kind.GPG, "AB" * (digits // 2), gpg(first))


def test_both_ends_of_a_keys_time_are_read() -> None:
    """Each by itself."""
    new_year, may = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    limited = read(entry(valid_from="2026-01-01T00:00:00Z", valid_until="2026-05-01T00:00:00Z"))
    assert (limited.valid_from, limited.valid_until) == (new_year, may)
    assert read(entry(valid_until="2026-05-01T00:00:00Z")).valid_from is None
    assert read(gpg_entry(valid_from="2026-01-01T00:00:00Z")).valid_from == new_year


@pytest.mark.parametrize(
    "values",
    [
        entry(kind="gpg"),
        entry(kind="x509"),
        entry(kind="SSH"),
        entry(fingerprint=fingerprint("bob")),
        entry(fingerprint=fingerprint("ann").removeprefix("SHA256:")),
        entry(fingerprint=""),
        entry(public=public("bob")),
        entry(public=f"{public('ann')} ann@example.org"),
        entry(public=f"{public('ann')}\n"),
        entry(public=""),
        gpg_entry(kind="ssh"),
        gpg_entry(fingerprint="ab" * 20),
        gpg_entry(fingerprint="AB" * 16),
        gpg_entry(fingerprint=f"{'AB' * 20}\n"),
        gpg_entry(fingerprint="AB" * 21),
        gpg_entry(public=""),
        gpg_entry(public="A"),
        gpg_entry(public="====" + gpg()),
        gpg_entry(public=f"{gpg()}\n"),
        gpg_entry(public="-----BEGIN PGP PUBLIC KEY BLOCK-----"),
        gpg_entry(public=gpg(0x95)),
        gpg_entry(public=gpg(0xB4)),
        gpg_entry(public=gpg(0x00)),
    ],
)
def test_a_key_that_is_not_what_is_said_of_it_is_refused(values: dict[str, Any]) -> None:
    """Whoever reads the root sees the fingerprint, and the tools use the key."""
    error = refusal(values)
    assert error.code == "paper.invalid"
    assert "the key ann is not one of its kind" in error.message


def test_a_gpg_key_may_be_large_but_not_without_end() -> None:
    """Room for a key with many subkeys and identities."""
    largest = base64.b64encode(b"\x99" + b"\0" * 29_999).decode()
    assert len(largest) == 40_000
    assert read(gpg_entry(public=largest)).public == largest
    assert refusal(gpg_entry(public=f"{largest}AAAA")).code == "paper.invalid"


@pytest.mark.parametrize("field", sorted(entry()))
def test_every_field_is_needed_in_its_type(field: str) -> None:
    """And no other is allowed: it could be a limit that this agent does not know."""
    less = {name: value for name, value in entry().items() if name != field}
    assert refusal(less).code == "paper.invalid"
    assert refusal(entry(**{field: 1})).code == "paper.invalid"
    assert refusal(entry(**{f"{field}2": None})).code == "paper.invalid"


def test_an_ssh_key_with_broken_base64_is_refused_by_the_document() -> None:
    """Whoever reads it in a root is not advised to write a .pub file."""
    assert refusal(entry(public=f"ssh-ed25519 {'A' * 41}")).code == "paper.invalid"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("ann", True),
        ("Ann_B.c-d@e.org", True),
        ("7", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("-ann", False),
        (".ann", False),
        ("ann bob", False),
        ("ann\n", False),
        ("anné", False),
    ],
)
def test_a_name_is_one_word_that_no_tool_takes_for_more(name: str, good: bool) -> None:  # noqa: FBT001
    """It stands in messages and on command lines."""
    assert (NAME.fullmatch(name) is not None) is good
