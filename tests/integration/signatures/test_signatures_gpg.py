"""What GPG itself knows of keys and signatures: revoked, expired, weak, more than one."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from koprogo_agent.domain.quorum import Signer
from tests.integration.signatures.hands import NOW, PAYLOAD, gpg, refusal, said, signer
from tests.lab.keys import GpgKey, Keys
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real


def run_gpg(key: GpgKey, *words: str, stdin: bytes = PAYLOAD) -> bytes:
    """What gpg gives with the key's home."""
    quiet = ["--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    command = ["gpg", "--homedir", str(key.home), *quiet, *words]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


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
