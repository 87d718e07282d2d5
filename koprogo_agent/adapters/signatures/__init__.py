"""Who signed a tag: `ssh-keygen` and `gpgv`, with the keys of the trust directory alone.

Both tools see only files that are written here, in a private folder: no configuration, keyring or
agent of any user. What they say is read strictly; that they exit with 0 means little, since gpgv
does so for expired and revoked keys, for SHA-1, and for two signatures in one block.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent import process
from koprogo_agent.adapters.signatures.directory import Keys, read_keys
from koprogo_agent.domain.tags import SignatureKind, SignedTag
from koprogo_agent.domain.trust import Signer
from koprogo_agent.errors import Refused, RetryLater

__all__ = ["Signatures", "judge_status"]

SECONDS = 20.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SSH_GOOD = re.compile(r'Good "git" signature (?:for release )?with [\w-]+ key (SHA256:\S{43})\n?')
_STRONG_HASHES = frozenset({"8", "9", "10", "11", "12", "14"})
"""OpenPGP's numbers of the SHA-2 and SHA-3 families (RFC 9580, section 9.5)."""

# What gpgv says instead of GOODSIG -> code, and what it means.
_GPG_BAD = {
    "BADSIG": ("signature.bad", "does not fit the tag: one of them was changed"),
    "EXPSIG": ("signature.expired", "has expired"),
    "EXPKEYSIG": ("signature.expired", "was made with a key that had expired when the tag came"),
    "REVKEYSIG": ("signature.revoked", "was made with a key that was revoked"),
    "NO_PUBKEY": ("signature.unknown_key", "was made with a key that is not trusted here"),
    "ERRSIG": ("signature.bad", "cannot be checked"),
}


class Signatures:
    """`ports.Signatures` with the keys of a directory, which is read anew each time."""

    def __init__(self, directory: Path) -> None:
        """Prepares; nothing is read yet."""
        self._directory = directory

    def state(self) -> str:
        """A value that changes whenever the trusted keys change.

        Raises:
            NeedsOperator: as `check`.
        """
        return read_keys(self._directory).state

    def check(self, tag: SignedTag, at: datetime) -> Signer:
        """Who signed the tag, judged at an instant of our own clock.

        Raises:
            Refused: codes `signature.bad`, `signature.unknown_key`, `signature.expired`,
                `signature.revoked`, `signature.weak`.
            NeedsOperator: the trust directory is not usable (codes `trust.*`).
        """
        keys = read_keys(self._directory)
        with TemporaryDirectory(prefix="koprogo-agent-") as scratch:
            folder = Path(scratch)
            (folder / "signature").write_bytes(tag.signature)
            match tag.kind:
                case SignatureKind.SSH:
                    return _check_ssh(tag, at, keys, folder)
                case SignatureKind.GPG:
                    return _check_gpg(tag, at, keys, folder)


def _check_ssh(tag: SignedTag, at: datetime, keys: Keys, folder: Path) -> Signer:
    options = (",".join(filter(None, ('namespaces="git"', key.options))) for key in keys.ssh)
    lines = (f"release {option} {key.key}\n" for option, key in zip(options, keys.ssh, strict=True))
    (folder / "allowed").write_text("".join(lines))
    # ssh-keygen fails when this file is missing or broken, so revocation fails closed.
    (folder / "revoked").write_text("".join(f"{key.key}\n" for key in keys.revoked_ssh))
    instant = at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    files = ("-s", str(folder / "signature"), "-f", str(folder / "allowed"))
    limits = ("-r", str(folder / "revoked"), f"-Overify-time={instant}")
    words = ("-Y", "verify", "-I", "release", "-n", "git", *files, *limits)
    done = _run(["ssh-keygen", *words], tag.payload, folder)
    good = _SSH_GOOD.fullmatch(done.stdout.decode(errors="replace"))
    for key in keys.ssh:
        if done.returncode == 0 and good is not None and good[1] == key.fingerprint:
            return Signer("ssh", key.fingerprint, key.name)
    raise _ssh_refusal(tag, keys, folder)


def _ssh_refusal(tag: SignedTag, keys: Keys, folder: Path) -> Refused:
    """Why an SSH signature is refused: `verify` does not say whose it is."""
    words = ("-Y", "check-novalidate", "-n", "git", "-s", str(folder / "signature"))
    done = _run(["ssh-keygen", *words], tag.payload, folder)
    signed = _SSH_GOOD.fullmatch(done.stdout.decode(errors="replace"))
    if done.returncode != 0 or signed is None:
        return _refused(tag, "signature.bad", "does not fit the tag, or was not made for git")
    fingerprint = signed[1]
    if fingerprint in {key.fingerprint for key in keys.revoked_ssh}:
        return _refused(tag, "signature.revoked", f"was made with the revoked key {fingerprint}")
    for key in keys.ssh:
        if key.fingerprint == fingerprint:
            why = f"was made with the key {key.name}, which was not valid when the tag came"
            return _refused(tag, "signature.expired", why)
    why = f"was made with the key {fingerprint}, which is not trusted here"
    return _refused(tag, "signature.unknown_key", why)


def _check_gpg(tag: SignedTag, at: datetime, keys: Keys, folder: Path) -> Signer:
    (folder / "keyring.gpg").write_bytes(keys.keyring)
    words = ("--homedir", str(folder), "--status-fd", "1", "--keyring", str(folder / "keyring.gpg"))
    done = _run(["gpgv", *words, str(folder / "signature"), "-"], tag.payload, folder)
    fingerprint = judge_status(tag, done.stdout.decode(errors="replace"), at)
    if fingerprint in keys.revoked_gpg:
        raise _refused(tag, "signature.revoked", f"was made with the revoked key {fingerprint}")
    if fingerprint not in keys.pinned:
        why = f"was made with the key {fingerprint}, which is not trusted here"
        raise _refused(tag, "signature.unknown_key", why)
    return Signer("gpg", fingerprint, keys.pinned[fingerprint])


def judge_status(tag: SignedTag, status: str, at: datetime) -> str:
    """Fingerprint of the primary key, from gpgv's status lines (GnuPG, doc/DETAILS).

    Raises:
        Refused: they do not say that exactly one good signature of a document was found.
    """
    lines = [line.split(" ")[1:] for line in status.split("\n") if line.startswith("[GNUPG:] ")]
    said = [words[0] for words in lines]
    # A key that has expired since the tag was first seen here is no reason to refuse it.
    expiries = [words[1] for words in lines if words[0] == "KEYEXPIRED"]
    if expiries and all(one.isdecimal() and int(one) > at.timestamp() for one in expiries):
        said = ["GOODSIG" if word == "EXPKEYSIG" else word for word in said]
    for word, (code, why) in _GPG_BAD.items():
        if word in said:
            raise _refused(tag, code, why)
    if [said.count(word) for word in ("NEWSIG", "GOODSIG", "VALIDSIG")] != [1, 1, 1]:
        raise _refused(tag, "signature.bad", "is not exactly one good signature")
    valid = next(words for words in lines if words[0] == "VALIDSIG")
    # … fingerprint, date, time, expiry, version, reserved, algorithm, hash, class, primary key
    if len(valid) != 11 or valid[9] not in {"00", "01"}:  # noqa: PLR2004 - the words above
        raise _refused(tag, "signature.bad", "is not a signature of a document")
    if valid[8] not in _STRONG_HASHES:
        raise _refused(tag, "signature.weak", "uses a hash that can be forged, such as SHA-1")
    return valid[10]


def _run(argv: Sequence[str], payload: bytes, folder: Path) -> process.Completed:
    environment = {"PATH": _PATH, "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
    try:
        return process.run(argv, env=environment, timeout=SECONDS, cwd=folder, stdin=payload)
    except process.Overrun as error:
        raise RetryLater(f"cannot check a signature: {error}", code="signature.tool") from error


def _refused(tag: SignedTag, code: str, why: str) -> Refused:
    return Refused(
        f"the signature on tag {tag.ref.name} {why}",
        code=code,
        advice="forward this to the release manager; nothing was changed on this machine",
    )
