"""Who signed: `ssh-keygen` and `gpgv`, with the keys of a trust root alone.

Both tools see only files that are written here, in a private folder: no configuration, keyring or
agent of any user. What they say is read strictly; that they exit with 0 means little, since gpgv
does so for expired and revoked keys, for SHA-1, and for two signatures in one block.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent import process
from koprogo_agent.domain.armour import Kind, Statement
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.quorum import Signer
from koprogo_agent.domain.touch import untouched
from koprogo_agent.errors import Refused, RetryLater

__all__ = ["SigningTools", "judge_status"]

SECONDS = 20.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SSH_GOOD = re.compile(
    r'Good "([a-z-]+)" signature (?:for signer )?with [\w-]+ key (SHA256:\S{43})\n?'
)
_KEY_ID = re.compile(r"[0-9A-F]{16}(?:[0-9A-F]{24}(?:[0-9A-F]{24})?)?")
_STRONG_HASHES = frozenset({"8", "9", "10", "11", "12", "14"})
"""OpenPGP's numbers of the SHA-2 and SHA-3 families (RFC 9580, section 9.5)."""

# What gpgv says instead of GOODSIG -> code, and what it means.
_GPG_BAD = {
    "BADSIG": ("signature.bad", "does not fit it: one of them was changed"),
    "EXPSIG": ("signature.expired", "has expired"),
    "EXPKEYSIG": ("signature.expired", "was made with a key that had expired by then"),
    "REVKEYSIG": ("signature.revoked", "was made with a key that was revoked"),
    "NO_PUBKEY": ("signature.unknown_key", "was made with a key that is not in the trust root"),
    "ERRSIG": ("signature.bad", "cannot be checked"),
}


class SigningTools:
    """`ports.Signatures` by the tools of this machine."""

    def signer(self, statement: Statement, keys: Sequence[Key], at: datetime) -> Signer:
        """Which of these keys made a signature, judged at an instant of our own clock.

        Raises:
            Refused: codes `signature.bad`, `signature.unknown_key`; for SSH `signature.untouched`,
                by a security key that nobody touched; for GPG `signature.weak`, and
                `signature.expired` and `signature.revoked`, where the key itself says so.
            RetryLater: the tool did not end in time.
        """
        kind = statement.kind
        if kind is None:
            raise _refused(statement, "signature.bad", "is neither an SSH nor a PGP one")
        with TemporaryDirectory(prefix="koprogo-agent-") as scratch:
            folder = Path(scratch)
            (folder / "signature").write_text(statement.signature)
            if kind is Kind.SSH:
                return _check_ssh(statement, keys, folder)
            return _check_gpg(statement, keys, at, folder)


def _check_ssh(statement: Statement, keys: Sequence[Key], folder: Path) -> Signer:
    ssh = [key for key in keys if key.kind is Kind.SSH]
    lines = (f'signer namespaces="{statement.purpose}" {key.public}\n' for key in ssh)
    (folder / "allowed").write_text("".join(lines))
    files = ("-s", str(folder / "signature"), "-f", str(folder / "allowed"))
    words = ("-I", "signer", "-n", statement.purpose, *files)
    done = _run(["ssh-keygen", "-Y", "verify", *words], statement.payload, folder)
    good = _SSH_GOOD.fullmatch(done.stdout.decode(errors="replace"))
    for key in ssh:
        if done.returncode == 0 and good and good.groups() == (statement.purpose, key.fingerprint):
            if untouched(statement.signature):
                why = f"was made by the security key {key.name} although nobody touched it"
                raise _refused(statement, "signature.untouched", why)
            return Signer(Kind.SSH, key.fingerprint, key.name)
    raise _ssh_refusal(statement, folder)


def _ssh_refusal(statement: Statement, folder: Path) -> Refused:
    """Why an SSH signature is refused: `verify` does not say whose it is."""
    words = ("-Y", "check-novalidate", "-n", statement.purpose, "-s", str(folder / "signature"))
    done = _run(["ssh-keygen", *words], statement.payload, folder)
    signed = _SSH_GOOD.fullmatch(done.stdout.decode(errors="replace"))
    if done.returncode != 0 or signed is None:
        why = f"does not fit it, or was not made for {statement.purpose}"
        return _refused(statement, "signature.bad", why)
    why = f"was made with the key {signed[2]}, which is not in the trust root"
    return _refused(statement, "signature.unknown_key", why)


def _check_gpg(statement: Statement, keys: Sequence[Key], at: datetime, folder: Path) -> Signer:
    pinned: dict[str, Key] = {}
    for key in keys:
        if key.kind is Kind.GPG:
            # The first counts: a later one may lack the revocation that this one carries.
            pinned.setdefault(key.fingerprint, key)
    ring = b"".join(base64.b64decode(key.public) for key in pinned.values())
    (folder / "keyring.gpg").write_bytes(ring)
    words = ("--homedir", str(folder), "--status-fd", "1", "--keyring", str(folder / "keyring.gpg"))
    done = _run(["gpgv", *words, str(folder / "signature"), "-"], statement.payload, folder)
    fingerprint = judge_status(statement, done.stdout.decode(errors="replace"), at)
    if fingerprint not in pinned:
        why = f"was made with the key {fingerprint}, which is not in the trust root"
        raise _refused(statement, "signature.unknown_key", why)
    return Signer(Kind.GPG, fingerprint, pinned[fingerprint].name)


def judge_status(statement: Statement, status: str, at: datetime) -> str:
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
            raise _refused(statement, code, f"{why}{_key_id(lines[said.index(word)])}")
    if [said.count(word) for word in ("NEWSIG", "GOODSIG", "VALIDSIG")] != [1, 1, 1]:
        raise _refused(statement, "signature.bad", "is not exactly one good signature")
    valid = next(words for words in lines if words[0] == "VALIDSIG")
    # … fingerprint, date, time, expiry, version, reserved, algorithm, hash, class, primary key
    if len(valid) != 11 or valid[9] not in {"00", "01"}:  # noqa: PLR2004 - the words above
        raise _refused(statement, "signature.bad", "is not a signature of a document")
    if valid[8] not in _STRONG_HASHES:
        raise _refused(statement, "signature.weak", "uses a hash that can be forged, such as SHA-1")
    return valid[10]


def _key_id(words: Sequence[str]) -> str:
    """The key of a status line, as far as gpgv knows it: its long id, or its fingerprint."""
    named = words[1] if len(words) > 1 else ""
    return f": {named}" if _KEY_ID.fullmatch(named) else ""


def _run(argv: Sequence[str], payload: bytes, folder: Path) -> process.Completed:
    environment = {"PATH": _PATH, "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
    try:
        return process.run(argv, env=environment, timeout=SECONDS, cwd=folder, stdin=payload)
    except process.Overrun as error:
        raise RetryLater(f"cannot check a signature: {error}", code="signature.tool") from error


def _refused(statement: Statement, code: str, why: str) -> Refused:
    return Refused(f"the signature on {statement.subject} {why}", code=code)
