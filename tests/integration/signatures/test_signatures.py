"""Signatures by real keys, checked by the real ssh-keygen and gpgv."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from koprogo_agent.domain.armour import Kind, Purpose, Statement
from koprogo_agent.domain.keys import Key, ssh_fingerprint
from koprogo_agent.domain.quorum import Signer
from tests.integration.signatures.hands import PAYLOAD, gpg, refusal, said, signer, ssh
from tests.lab.keys import Keys, SshKey
from tests.lab.security_key import EcdsaSk, Ed25519Sk, SecurityKey

pytestmark = pytest.mark.real


def test_an_ssh_key_is_known_by_its_name_and_fingerprint(keys: Keys) -> None:
    """Beside other keys of both kinds, and the fingerprint is the one that ssh-keygen shows."""
    statement = said(keys.ssh.sign(PAYLOAD))
    trusted = (ssh(keys.other_ssh, "stranger"), gpg(keys.gpg, "gpg"), ssh(keys.ssh))
    found = signer(statement, *trusted)
    assert (found.kind, found.name) == ("ssh", "release")
    assert signer(statement, *reversed(trusted)) == found
    command = ["ssh-keygen", "-l", "-f", f"{keys.ssh.file}.pub"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.key in shown.split(" ")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_every_kind_of_ssh_key_may_sign(tmp_path: Path, kind: str) -> None:
    """But for those of security keys: see below."""
    file = tmp_path / kind
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(file)]
    subprocess.run(command, check=True)
    key = SshKey(file)
    assert signer(said(key.sign(PAYLOAD)), ssh(key)) == Signer(
        "ssh", ssh(key).fingerprint, "release"
    )


@pytest.mark.parametrize("kind", [Ed25519Sk, EcdsaSk])
def test_a_security_key_signs_when_somebody_touches_it(
    kind: type[Ed25519Sk | EcdsaSk], tmp_path: Path
) -> None:
    """Else whoever has taken over the computer that it is plugged into would sign with it."""
    key = SecurityKey(kind())
    listed = ssh(key)
    found = signer(said(key.sign(PAYLOAD)), listed)
    assert found == Signer("ssh", listed.fingerprint, "release")
    (tmp_path / "key.pub").write_text(key.public)
    command = ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.key in shown.split(" ")

    error = refusal(said(key.alone().sign(PAYLOAD)), listed)
    assert (error.code, "nobody touched it" in error.message) == ("signature.untouched", True)
    assert refusal(said(key.sign(PAYLOAD), PAYLOAD + b" "), listed).code == "signature.bad"


def test_a_gpg_key_is_known_by_its_name_and_fingerprint(keys: Keys) -> None:
    """Beside other keys of both kinds."""
    statement = said(keys.gpg.sign(PAYLOAD))
    trusted = (gpg(keys.other_gpg, "stranger"), ssh(keys.ssh, "ssh"), gpg(keys.gpg))
    expected = Signer("gpg", keys.gpg.fingerprint, "release")
    assert signer(statement, *trusted) == signer(statement, *reversed(trusted)) == expected


def test_a_key_may_be_listed_twice(keys: Keys) -> None:
    """A trust root and its successor are held against each other with the keys of both."""
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        assert signer(said(key.sign(PAYLOAD)), listed, listed).key == listed.fingerprint


def test_a_key_that_is_not_in_the_root_is_refused_by_its_fingerprint(keys: Keys) -> None:
    """The self-hoster can forward who it was."""
    trusted = (ssh(keys.ssh), gpg(keys.gpg))
    stranger = refusal(said(keys.other_ssh.sign(PAYLOAD)), *trusted)
    assert stranger.code == "signature.unknown_key"
    assert ssh(keys.other_ssh).fingerprint in stranger.message
    assert refusal(said(keys.other_gpg.sign(PAYLOAD)), *trusted).code == "signature.unknown_key"


def test_without_keys_nobody_is_known(keys: Keys) -> None:
    """Nor where the keys are all of the other tool."""
    for key, other in ((keys.ssh, gpg(keys.gpg)), (keys.gpg, ssh(keys.ssh))):
        statement = said(key.sign(PAYLOAD))
        assert refusal(statement).code == "signature.unknown_key"
        assert refusal(statement, other).code == "signature.unknown_key"


def test_a_gpg_key_beside_the_listed_one_in_its_export_is_refused(keys: Keys) -> None:
    """An export may hold several keys; only the one whose fingerprint is written counts."""
    both = gpg(keys.gpg, export=keys.other_gpg.public + keys.gpg.public)
    assert signer(said(keys.gpg.sign(PAYLOAD)), both).key == keys.gpg.fingerprint
    error = refusal(said(keys.other_gpg.sign(PAYLOAD)), both)
    assert error.code == "signature.unknown_key"
    assert keys.other_gpg.fingerprint in error.message


def test_a_broken_key_does_not_spoil_the_others(keys: Keys) -> None:
    """The tools pass over what they cannot read; else one bad entry would end all updates."""
    empty = base64.b64encode(len(b"ssh-ed25519").to_bytes(4) + b"ssh-ed25519" + b"\0" * 20).decode()
    broken = f"ssh-ed25519 {empty}"
    bad = Key("bad", Kind.SSH, ssh_fingerprint(broken), broken)
    for trusted in ((bad, ssh(keys.ssh)), (ssh(keys.ssh), bad)):
        assert signer(said(keys.ssh.sign(PAYLOAD)), *trusted).name == "release"


@pytest.mark.parametrize("payload", [b"", b"\0", b"x" * 512 * 1024, "é\n".encode()])
def test_any_bytes_can_be_signed(keys: Keys, payload: bytes) -> None:
    """None, some that are no text, and as many as a document may have."""
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        assert signer(said(key.sign(payload), payload), listed).key == listed.fingerprint


@pytest.mark.parametrize(
    "changed", [PAYLOAD[:-1], PAYLOAD + b"\n", PAYLOAD.replace(b"1.2", b"1.3")]
)
def test_bytes_that_were_changed_are_refused(keys: Keys, changed: bytes) -> None:
    """One of them is enough, also at the end."""
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        error = refusal(said(key.sign(PAYLOAD), changed), listed)
        assert (error.code, "does not fit it" in error.message) == ("signature.bad", True)


@pytest.mark.parametrize("purpose", Purpose)
def test_an_ssh_signature_says_something_for_its_own_purpose_only(
    keys: Keys, purpose: Purpose
) -> None:
    """What was signed for a tag, a file or another document is worth nothing here."""
    listed = ssh(keys.ssh)
    for namespace in (*Purpose, "file", f"{purpose}2", purpose[:-1]):
        statement = said(SshKey(keys.ssh.file, namespace).sign(PAYLOAD), purpose=purpose)
        if namespace == purpose:
            assert signer(statement, listed).key == listed.fingerprint
        else:
            error = refusal(statement, listed)
            assert (error.code, str(purpose) in error.message) == ("signature.bad", True)


@pytest.mark.parametrize("label", ["SSH", "PGP"])
@pytest.mark.parametrize("inside", ["", "AAAA", "not base64 at all", "U1NIU0lHAAAAAQ==", "=abcd"])
def test_garbage_in_armour_is_refused(keys: Keys, label: str, inside: str) -> None:
    """Whatever the tools think of it."""
    block = f"-----BEGIN {label} SIGNATURE-----\n\n{inside}\n-----END {label} SIGNATURE-----\n"
    error = refusal(said(block.encode()), ssh(keys.ssh), gpg(keys.gpg))
    assert error.code == "signature.bad"


def test_what_is_not_exactly_one_armoured_signature_is_not_given_to_a_tool(keys: Keys) -> None:
    """They would read it: two signatures, text before one, another label."""
    listed = (ssh(keys.ssh), gpg(keys.gpg))
    for key in (keys.ssh, keys.gpg):
        good = key.sign(PAYLOAD)
        for bad in (b"", good + good, b"Hello\n" + good, good.replace(b"SIGNATURE", b"MESSAGE")):
            error = refusal(said(bad), *listed)
            assert "neither an SSH nor a PGP" in error.message
            assert error.code == "signature.bad"


def test_what_is_no_text_is_not_given_to_a_tool(keys: Keys) -> None:
    """A lone surrogate cannot be written to a file."""
    statement = Statement("tag v1.2.0", Purpose.TAG, PAYLOAD, "\ud800")
    assert refusal(statement, ssh(keys.ssh)).code == "signature.bad"
