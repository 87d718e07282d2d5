"""Signatures by real keys, checked by the real ssh-keygen and gpgv."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from koprogo_agent.adapters.signatures import Signatures, judge_status
from koprogo_agent.adapters.signatures.directory import read_keys
from koprogo_agent.domain.tags import SignatureKind, SignedTag, TagRef
from koprogo_agent.domain.trust import Signer
from koprogo_agent.errors import NeedsOperator, Refused
from tests.lab.keys import GpgKey, Keys, SshKey
from tests.lab.keys import Signer as Key
from tests.lab.processes import wait_until

pytestmark = pytest.mark.real

PAYLOAD = b"object c\ntype commit\ntag v1.2.0\n\nRelease 1.2.0\n"
NOW = datetime.now(UTC)
KINDS = {SshKey: SignatureKind.SSH, GpgKey: SignatureKind.GPG}


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    """Keys of every kind; below a short path, because a socket of GnuPG's lies in it."""
    with TemporaryDirectory(prefix="kpk", dir="/tmp") as folder:
        made = Keys.create(Path(folder))
        yield made
        made.close()


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    """An empty trust directory."""
    folder = tmp_path / "trust"
    folder.mkdir(mode=0o755)
    return folder


def put(folder: Path, name: str, content: str | bytes) -> Path:
    """Writes a file of a trust directory, whatever the umask."""
    folder.mkdir(mode=0o755, exist_ok=True)
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o644)
    return path


def believe(folder: Path, name: str, key: GpgKey, ring: bytes | None = None) -> None:
    """Trusts a GPG key."""
    put(folder, f"{name}.gpg", key.public if ring is None else ring)
    put(folder, f"{name}.fpr", key.fingerprint)


def tag(key: Key, payload: bytes = PAYLOAD) -> SignedTag:
    """A tag signed by a key."""
    return signed(key.sign(payload), KINDS[type(key)], payload)


def signed(signature: bytes, kind: SignatureKind, payload: bytes = PAYLOAD) -> SignedTag:
    """A tag with this signature."""
    return SignedTag(TagRef("v1.2.0", "a" * 40), "c" * 40, "", payload, signature, kind)


def refusal(trust: Path, candidate: SignedTag, at: datetime = NOW) -> Refused:
    """The refusal of a tag."""
    with pytest.raises(Refused) as caught:
        Signatures(trust).check(candidate, at)
    assert caught.value.message.startswith("the signature on tag v1.2.0 ")
    return caught.value


def complaint(trust: Path) -> NeedsOperator:
    """What is wrong with a trust directory."""
    with pytest.raises(NeedsOperator) as caught:
        Signatures(trust).state()
    return caught.value


def test_a_trusted_ssh_key_is_known_by_its_name_and_fingerprint(keys: Keys, trust: Path) -> None:
    """Also beside other keys, and the fingerprint is the one that ssh-keygen shows."""
    put(trust, "a-stranger.pub", keys.other_ssh.public)
    put(trust, "release.pub", f"# of the association\n\n{keys.ssh.public}\n")
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(trust / "release.pub")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    signer = Signatures(trust).check(tag(keys.ssh), NOW)
    assert (signer.kind, signer.name) == ("ssh", "release")
    assert signer.key in shown


@pytest.mark.parametrize("suffix", ["gpg", "asc"])
def test_a_trusted_gpg_key_is_known_by_its_name_and_fingerprint(
    keys: Keys, trust: Path, suffix: str
) -> None:
    """Binary or armoured, and with the fingerprint written as people copy it."""
    believe(trust, "other", keys.other_gpg)
    fingerprint = keys.gpg.fingerprint
    put(trust, f"release.{suffix}", keys.gpg.public if suffix == "gpg" else keys.gpg.armored)
    groups = " ".join(fingerprint[at : at + 4] for at in range(0, 40, 4)).lower()
    put(trust, "release.fpr", f"{groups}\n")
    assert Signatures(trust).check(tag(keys.gpg), NOW) == Signer("gpg", fingerprint, "release")


def test_a_key_that_is_not_trusted_is_refused_by_its_fingerprint(keys: Keys, trust: Path) -> None:
    """The self-hoster can forward who it was."""
    put(trust, "release.pub", keys.ssh.public)
    believe(trust, "release", keys.gpg)
    for key in (keys.other_ssh, keys.other_gpg):
        assert refusal(trust, tag(key)).code == "signature.unknown_key"
    assert "SHA256:" in refusal(trust, tag(keys.other_ssh)).message


def test_a_gpg_key_in_a_trusted_file_but_not_pinned_is_refused(keys: Keys, trust: Path) -> None:
    """A file may hold several keys; only the one whose fingerprint is written counts."""
    believe(trust, "release", keys.gpg, keys.other_gpg.public + keys.gpg.public)
    assert Signatures(trust).check(tag(keys.gpg), NOW).key == keys.gpg.fingerprint
    error = refusal(trust, tag(keys.other_gpg))
    assert error.code == "signature.unknown_key"
    assert keys.other_gpg.fingerprint in error.message


def test_a_changed_tag_is_refused(keys: Keys, trust: Path) -> None:
    """One byte of what was signed."""
    put(trust, "release.pub", keys.ssh.public)
    believe(trust, "release", keys.gpg)
    for key in (keys.ssh, keys.gpg):
        good = tag(key)
        changed = signed(good.signature, good.kind, PAYLOAD.replace(b"v1.2.0", b"v1.3.0"))
        error = refusal(trust, changed)
        assert error.code == "signature.bad"
        assert "does not fit the tag" in error.message


@pytest.mark.parametrize("kind", SignatureKind)
def test_garbage_in_place_of_a_signature_is_refused(
    keys: Keys, trust: Path, kind: SignatureKind
) -> None:
    """Whatever the tools think of it."""
    put(trust, "release.pub", keys.ssh.public)
    believe(trust, "release", keys.gpg)
    label = "SSH" if kind is SignatureKind.SSH else "PGP"
    for inside in ("", "AAAA", "not base64 at all"):
        block = f"-----BEGIN {label} SIGNATURE-----\n\n{inside}\n-----END {label} SIGNATURE-----\n"
        assert refusal(trust, signed(block.encode(), kind)).code == "signature.bad"


def test_a_signature_for_another_purpose_is_refused(keys: Keys, trust: Path) -> None:
    """A file that the release manager signed for someone is not a release."""
    put(trust, "release.pub", keys.ssh.public)
    assert refusal(trust, tag(SshKey(keys.ssh.file, "file"))).code == "signature.bad"


def test_a_revoked_ssh_key_is_refused_though_it_is_trusted(keys: Keys, trust: Path) -> None:
    """Revocation wins; and what it says cannot be read, nothing is trusted."""
    put(trust, "release.pub", keys.ssh.public)
    put(trust / "revoked", "release.pub", keys.ssh.public)
    assert refusal(trust, tag(keys.ssh)).code == "signature.revoked"
    put(trust / "revoked", "release.pub", "ssh-ed25519 AAAA\n")
    assert complaint(trust).code == "trust.malformed"


def test_a_revoked_gpg_key_is_refused(keys: Keys, trust: Path) -> None:
    """By its own revocation certificate, or by its fingerprint among the revoked."""
    believe(trust, "release", keys.revocable, keys.revocable.revoked())
    assert refusal(trust, tag(keys.revocable)).code == "signature.revoked"
    believe(trust, "other", keys.gpg)
    assert Signatures(trust).check(tag(keys.gpg), NOW)
    put(trust / "revoked", "other.fpr", keys.gpg.fingerprint)
    assert refusal(trust, tag(keys.gpg)).code == "signature.revoked"


def test_validity_of_a_gpg_key_is_judged_at_first_sight(keys: Keys, trust: Path) -> None:
    """The key expired on 2020-01-31: seen before, its tag is good for ever; after, never."""
    believe(trust, "release", keys.expired)
    assert Signatures(trust).check(tag(keys.expired), datetime(2020, 1, 30, tzinfo=UTC))
    for at in (datetime(2020, 1, 31, tzinfo=UTC), NOW):
        assert refusal(trust, tag(keys.expired), at).code == "signature.expired"


def test_validity_of_an_ssh_key_is_judged_at_first_sight_in_utc(
    keys: Keys, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends of its time, whatever the zone of this machine."""
    monkeypatch.setenv("TZ", "America/New_York")
    limits = 'valid-after="20260101",valid-before="20260201Z"'
    put(trust, "release.pub", f"{limits} {keys.ssh.public}")
    for at in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)):
        assert Signatures(trust).check(tag(keys.ssh), at)
    for at in (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, 0, 1, tzinfo=UTC)):
        assert refusal(trust, tag(keys.ssh), at).code == "signature.expired"


def test_times_are_written_so_that_every_ssh_keygen_reads_them(keys: Keys, trust: Path) -> None:
    """Those before OpenSSH 9.1 know no Z."""
    put(trust, "release.pub", f'valid-before="20260201Z" {keys.ssh.public}')
    assert read_keys(trust).ssh[0].options == 'valid-before="20260201"'


PRIMARY = "A" * 40
NEW, GOOD = "[GNUPG:] NEWSIG\n", "[GNUPG:] GOODSIG AAAA release\n"
VALID = f"[GNUPG:] VALIDSIG {'B' * 40} 2026-11-23 1795411731 0 4 0 22 8 00 {PRIMARY}\n"


def test_the_signer_is_the_primary_key_not_the_subkey_that_signed() -> None:
    """The primary key is what the operator pins; subkeys come and go."""
    some = signed(b"", SignatureKind.GPG)
    assert judge_status(some, NEW + GOOD + VALID, NOW) == PRIMARY


@pytest.mark.parametrize(
    "status",
    [
        "",
        NEW,
        NEW + GOOD,
        NEW + VALID,
        GOOD + VALID,
        NEW + GOOD + VALID + VALID,
        NEW + GOOD + GOOD + VALID,
        NEW + NEW + GOOD + VALID,
        NEW + GOOD + VALID.replace(f" {PRIMARY}", ""),
        NEW + GOOD + VALID.replace("8 00", "8 10"),
        NEW + GOOD + VALID.replace("8 00", "3 00"),
        NEW + GOOD + VALID + "[GNUPG:] BADSIG AAAA release\n",
        NEW + GOOD + VALID + "[GNUPG:] ERRSIG AAAA 22 8 00 1 9 -\n",
        NEW + "[GNUPG:] EXPKEYSIG AAAA release\n" + VALID,
        NEW + "[GNUPG:] KEYEXPIRED soon\n[GNUPG:] EXPKEYSIG AAAA release\n" + VALID,
        "gpgv: [GNUPG:] NEWSIG\n" + GOOD + VALID,
    ],
)
def test_any_other_status_is_refused(status: str) -> None:
    """What gpgv has not said clearly, it has not said."""
    with pytest.raises(Refused):
        judge_status(signed(b"", SignatureKind.GPG), status, NOW)


def gpg(key: GpgKey, *words: str, stdin: bytes = PAYLOAD) -> bytes:
    """What gpg gives with the key's home."""
    quiet = ["--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    command = ["gpg", "--homedir", str(key.home), *quiet, *words]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def test_a_gpg_signature_with_sha1_is_refused(keys: Keys, trust: Path) -> None:
    """To gpgv it is good."""
    believe(trust, "release", keys.gpg)
    weak = gpg(keys.gpg, "--digest-algo", "SHA1", "--armor", "--detach-sign")
    assert refusal(trust, signed(weak, SignatureKind.GPG)).code == "signature.weak"


def test_two_gpg_signatures_in_one_block_are_refused(keys: Keys, trust: Path) -> None:
    """To gpgv both are good; which of them would be the signer?"""
    believe(trust, "release", keys.gpg)
    one = gpg(keys.gpg, "--detach-sign")
    both = gpg(keys.gpg, "--enarmor", stdin=one + one).replace(b"ARMORED FILE", b"SIGNATURE")
    assert refusal(trust, signed(both, SignatureKind.GPG)).code == "signature.bad"


def test_a_gpg_signature_that_expired_is_refused(keys: Keys, trust: Path) -> None:
    """The key is good, its signature no longer."""
    believe(trust, "release", keys.revocable)
    old = gpg(keys.revocable, "--default-sig-expire", "seconds=1", "--armor", "--detach-sign")
    over = datetime.now(UTC).timestamp() + 2
    wait_until(lambda: datetime.now(UTC).timestamp() > over, 5, "the signature to expire")
    assert refusal(trust, signed(old, SignatureKind.GPG)).code == "signature.expired"


def test_the_state_changes_with_every_key(keys: Keys, trust: Path) -> None:
    """So that what was refused for want of a key is looked at again when the key is there."""
    put(trust, "release.pub", keys.ssh.public)
    seen = {Signatures(trust).state()}
    put(trust, "other.pub", keys.other_ssh.public)
    seen.add(Signatures(trust).state())
    put(trust / "revoked", "other.pub", keys.other_ssh.public)
    seen.add(Signatures(trust).state())
    believe(trust, "release", keys.gpg)
    seen.add(Signatures(trust).state())
    assert len(seen) == 4
    put(trust, "README", "other files do not matter")
    assert Signatures(trust).state() in seen


def test_without_a_key_nothing_can_be_trusted(keys: Keys, trust: Path) -> None:
    """Missing or empty: the operator is told where to put the key."""
    put(trust, "README", "")
    for folder in (trust, trust / "absent"):
        error = complaint(folder)
        assert error.code == "trust.empty"
        assert f"{folder}/NAME.pub" in error.advice
    put(trust / "revoked", "release.pub", keys.ssh.public)
    assert complaint(trust).code == "trust.empty"


def test_a_place_where_others_may_write_is_refused_with_the_command_to_type(
    keys: Keys, trust: Path
) -> None:
    """The folder, a file in it, the revoked keys, and what is above: each would do to add a key."""
    file = put(trust, "release.pub", keys.ssh.public)
    revoked = put(trust / "revoked", "old.pub", keys.other_ssh.public)
    for path, mode in (
        (file, 0o664),
        (file, 0o646),
        (trust, 0o775),
        (trust, 0o757),
        (revoked, 0o666),
        (revoked.parent, 0o777),
        (trust.parent, 0o777),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        error = complaint(trust)
        assert (error.code, error.advice) == ("trust.writable", f"chmod go-w {path}")
        path.chmod(before)
    assert Signatures(trust).state()


def test_a_place_of_another_user_is_refused(keys: Keys, trust: Path) -> None:
    """Its owner could change it at any time."""
    file = put(trust, "release.pub", keys.ssh.public)
    for path in (file, trust):
        os.chown(path, 12345, -1)
        error = complaint(trust)
        assert (error.code, error.advice) == ("trust.writable", f"chown root {path}")
        os.chown(path, 0, -1)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pub", "", "trust.malformed"),
        ("a.pub", "ssh-ed25519 AAAA a\n", "trust.malformed"),
        ("a.pub", f"ssh-dss {'A' * 400}\n", "trust.malformed"),
        ("a.pub", f"cert-authority ssh-ed25519 {'A' * 68}\n", "trust.malformed"),
        ("a.pub", f"ssh-ed25519 {'A' * 67}\n", "trust.malformed"),
        ("a.pub", f"ssh-ed25519 {'A' * 68}\nssh-ed25519 {'B' * 68}\n", "trust.malformed"),
        ("a.pub", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "trust.malformed"),
        ("a.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "trust.malformed"),
        ("a.gpg", b"\0\0\0\x20\1\1\0\2KBXf", "trust.malformed"),
        ("a.pub", f"#{'x' * 256 * 1024}\nssh-ed25519 {'A' * 68}\n", "trust.malformed"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_stops_everything(
    trust: Path, name: str, content: str | bytes, code: str
) -> None:
    """Half a trust directory would be another one than the operator thinks."""
    put(trust, "a.fpr", "A" * 40)
    put(trust, name, content)
    assert complaint(trust).code == code


def test_a_link_in_the_trust_directory_is_refused(keys: Keys, trust: Path, tmp_path: Path) -> None:
    """What it leads to may be anybody's to write."""
    (trust / "release.pub").symlink_to(put(tmp_path, "elsewhere.pub", keys.ssh.public))
    assert complaint(trust).code == "trust.malformed"


def test_a_gpg_key_needs_its_fingerprint_beside_it(keys: Keys, trust: Path) -> None:
    """And a whole one: short ids can be made to collide."""
    put(trust, "release.asc", keys.gpg.armored)
    error = complaint(trust)
    assert error.code == "trust.unpinned"
    assert str(trust / "release.fpr") in error.advice
    put(trust, "release.fpr", keys.gpg.fingerprint[-16:])
    assert complaint(trust).code == "trust.malformed"
