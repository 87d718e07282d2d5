"""Signatures by real keys, checked by the real ssh-keygen and gpgv."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from koprogo_agent.adapters.signatures import SigningTools
from koprogo_agent.domain.armour import Kind, Purpose, Statement
from koprogo_agent.domain.keys import Key, ssh_fingerprint
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.errors import Refused, RetryLater
from tests.lab.keys import GpgKey, Keys, SshKey
from tests.lab.processes import wait_until
from tests.lab.security_key import EcdsaSk, Ed25519Sk, SecurityKey

pytestmark = pytest.mark.real

PAYLOAD = b"object c\ntype commit\ntag v1.2.0\n\nRelease 1.2.0\n"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    """Keys of every kind; below a short path, because a socket of GnuPG's lies in it."""
    with TemporaryDirectory(prefix="kpk", dir="/tmp") as folder:
        made = Keys.create(Path(folder))
        yield made
        made.close()


def ssh(key: SshKey | SecurityKey, name: str = "release") -> Key:
    """An SSH key as a trust root lists it."""
    public = " ".join(key.public.split(" ")[:2])
    return Key(name, Kind.SSH, ssh_fingerprint(public), public)


def gpg(key: GpgKey, name: str = "release", export: bytes | None = None) -> Key:
    """A GPG key as a trust root lists it; `export` is what else stands for its public key."""
    public = base64.b64encode(key.public if export is None else export).decode()
    return Key(name, Kind.GPG, key.fingerprint, public)


def said(signature: bytes, payload: bytes = PAYLOAD, purpose: Purpose = Purpose.TAG) -> Statement:
    """What somebody is said to have signed."""
    return Statement("tag v1.2.0", purpose, payload, signature.decode())


def signer(statement: Statement, *keys: Key, at: datetime = NOW) -> Signer:
    """Who signed."""
    return SigningTools().signer(statement, keys, at)


def refusal(statement: Statement, *keys: Key, at: datetime = NOW) -> Refused:
    """Why a signature is refused."""
    with pytest.raises(Refused) as caught:
        signer(statement, *keys, at=at)
    assert caught.value.message.startswith(f"the signature on {statement.subject} ")
    return caught.value


# --- whose it is


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


def test_a_gpg_subkey_signs_for_its_primary_key(tmp_path: Path) -> None:
    """The primary key is what the trust root lists; subkeys come and go."""
    with TemporaryDirectory(prefix="kpk", dir="/tmp") as folder:
        key = GpgKey.create(Path(folder) / "g", "subkeys")
        run_gpg(key, "--quick-add-key", key.fingerprint, "ed25519", "sign", "never")
        listed = run_gpg(key, "--with-colons", "--list-keys").decode().split("\n")
        primary, subkey = (line.split(":")[9] for line in listed if line.startswith("fpr:"))
        for using in (primary, subkey):
            made = run_gpg(key, "--armor", "--detach-sign", "-u", f"{using}!")
            assert signer(said(made), gpg(key)) == Signer("gpg", primary, "release")
        (tmp_path / "s").write_bytes(made)
        command = ["gpg", "--list-packets", str(tmp_path / "s")]
        packets = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert subkey[-16:] in packets
        subprocess.run(["gpgconf", "--homedir", str(key.home), "--kill", "all"], check=True)


def test_a_broken_key_does_not_spoil_the_others(keys: Keys) -> None:
    """The tools pass over what they cannot read; else one bad entry would end all updates."""
    empty = base64.b64encode(len(b"ssh-ed25519").to_bytes(4) + b"ssh-ed25519" + b"\0" * 20).decode()
    broken = f"ssh-ed25519 {empty}"
    bad = Key("bad", Kind.SSH, ssh_fingerprint(broken), broken)
    for trusted in ((bad, ssh(keys.ssh)), (ssh(keys.ssh), bad)):
        assert signer(said(keys.ssh.sign(PAYLOAD)), *trusted).name == "release"


# --- what was signed


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


# --- what GPG itself knows of keys and signatures


def run_gpg(key: GpgKey, *words: str, stdin: bytes = PAYLOAD) -> bytes:
    """What gpg gives with the key's home."""
    quiet = ["--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    command = ["gpg", "--homedir", str(key.home), *quiet, *words]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def test_a_gpg_key_that_was_revoked_is_refused(keys: Keys) -> None:
    """By a certificate in its export; without it nobody knows."""
    statement = said(keys.revocable.sign(PAYLOAD))
    assert signer(statement, gpg(keys.revocable))
    revoked = gpg(keys.revocable, export=keys.revocable.revoked())
    assert refusal(statement, revoked).code == "signature.revoked"


def test_a_gpg_key_that_expired_is_judged_at_the_instant_that_is_given(keys: Keys) -> None:
    """It expired on 2020-01-31: seen before, its signature is good for ever; after, never."""
    statement, listed = said(keys.expired.sign(PAYLOAD)), gpg(keys.expired)
    end = datetime(2020, 1, 31, tzinfo=UTC)
    for at in (end - timedelta(days=1), end - timedelta(seconds=1)):
        assert signer(statement, listed, at=at).key == keys.expired.fingerprint
    for at in (end, NOW):
        assert refusal(statement, listed, at=at).code == "signature.expired"


def test_a_gpg_signature_that_expired_is_refused(keys: Keys) -> None:
    """The key is good, its signature no longer."""
    made = run_gpg(keys.gpg, "--default-sig-expire", "seconds=1", "--armor", "--detach-sign")
    over = datetime.now(UTC).timestamp() + 2
    wait_until(lambda: datetime.now(UTC).timestamp() > over, 30, "the signature to expire")
    assert refusal(said(made), gpg(keys.gpg)).code == "signature.expired"


def test_a_gpg_signature_with_sha1_is_refused(keys: Keys) -> None:
    """To gpgv it is good."""
    weak = run_gpg(keys.gpg, "--digest-algo", "SHA1", "--armor", "--detach-sign")
    assert refusal(said(weak), gpg(keys.gpg)).code == "signature.weak"


def test_two_gpg_signatures_in_one_block_are_refused(keys: Keys) -> None:
    """To gpgv both are good; which of them would be the signer?"""
    one = run_gpg(keys.gpg, "--detach-sign")
    both = run_gpg(keys.gpg, "--enarmor", stdin=one + one).replace(b"ARMORED FILE", b"SIGNATURE")
    lines = [line for line in both.split(b"\n") if not line.startswith(b"Comment:")]
    assert refusal(said(b"\n".join(lines)), gpg(keys.gpg)).code == "signature.bad"


def test_a_whole_gpg_message_in_place_of_a_signature_is_refused(keys: Keys) -> None:
    """It would bring its own text, and gpgv would check that."""
    message = run_gpg(keys.gpg, "--sign", "--armor", stdin=b"anything").replace(
        b"PGP MESSAGE", b"PGP SIGNATURE"
    )
    assert refusal(said(message), gpg(keys.gpg)).code == "signature.bad"


def test_of_two_exports_of_one_gpg_key_the_first_counts(keys: Keys) -> None:
    """The root that is believed is listed before its successor, which may hide a revocation."""
    statement = said(keys.revocable.sign(PAYLOAD))
    believed = gpg(keys.revocable, export=keys.revocable.revoked())
    assert refusal(statement, believed, gpg(keys.revocable)).code == "signature.revoked"


# --- what surrounds the agent


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "nonsense"])
def test_the_time_zone_of_the_machine_does_not_matter(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """The same instants are good and bad."""
    monkeypatch.setenv("TZ", zone)
    statement, listed = said(keys.expired.sign(PAYLOAD)), gpg(keys.expired)
    end = datetime(2020, 1, 31, tzinfo=UTC)
    assert signer(statement, listed, at=end - timedelta(seconds=1))
    assert refusal(statement, listed, at=end).code == "signature.expired"
    assert signer(said(keys.ssh.sign(PAYLOAD)), ssh(keys.ssh))


def test_a_hostile_environment_does_not_matter(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Other tools on the PATH, other keyrings, configuration and languages."""
    for name in ("ssh-keygen", "gpgv"):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 0\n")
        tool.chmod(0o755)
    for name in (".gnupg", ".ssh"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / ".gnupg/trustedkeys.gpg").write_bytes(keys.other_gpg.public)
    (tmp_path / ".gnupg/gpgv.conf").write_text("no-such-option\n")
    (tmp_path / ".ssh/config").write_text("NoSuchOption yes\n")
    listed = (ssh(keys.ssh), gpg(keys.gpg))
    mine = said(keys.ssh.sign(PAYLOAD)), said(keys.gpg.sign(PAYLOAD))
    theirs = said(keys.other_ssh.sign(PAYLOAD)), said(keys.other_gpg.sign(PAYLOAD))
    for name, value in {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "GNUPGHOME": str(tmp_path / ".gnupg"),
        "LC_ALL": "fr_BE.UTF-8",
        "LANGUAGE": "fr",
        "SSH_AUTH_SOCK": "/nonexistent",
        "LD_PRELOAD": "/nonexistent.so",
    }.items():
        monkeypatch.setenv(name, value)
    assert [signer(one, *listed).kind for one in mine] == ["ssh", "gpg"]
    assert {refusal(one, *listed).code for one in theirs} == {"signature.unknown_key"}
    assert not (tmp_path / "ran").exists()


def test_a_tool_that_does_not_end_in_time_refuses_nothing(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine tries again; what is refused stays refused."""
    monkeypatch.setattr("koprogo_agent.adapters.signatures.SECONDS", 0.0)
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        with pytest.raises(RetryLater) as caught:
            signer(said(key.sign(PAYLOAD)), listed)
        assert caught.value.code == "signature.tool"


def test_nothing_is_left_behind(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither of a good signature nor of a bad one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        statement = said(key.sign(PAYLOAD))
        assert signer(statement, listed)
        assert refusal(statement)
    assert list(tmp_path.iterdir()) == []
