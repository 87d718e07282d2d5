"""The trust directory: which keys may sign releases.

Its layout, in which NAME is how messages call the key:

    NAME.pub              one OpenSSH public key, as `ssh-keygen` writes it; may begin with
                          valid-after="YYYYMMDD" and valid-before="YYYYMMDD", in UTC
    NAME.asc or NAME.gpg  an OpenPGP public key, as `gpg --export` writes it, and with it
    NAME.fpr              the fingerprint of its primary key, and nothing else
    revoked/NAME.pub      an SSH key that is refused, also where it is listed above
    revoked/NAME.fpr      the same for a GPG key

Other files are left alone. Whoever can write here decides what runs on this machine as root: so
nobody may but root, or the user that the agent runs as.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from koprogo_agent.errors import NeedsOperator

MAX_FILE = 256 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_DATE = r"\"[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?Z?\""
_SSH_LINE = re.compile(
    rf"(?P<options>valid-(?:after|before)={_DATE}(?:,valid-(?:after|before)={_DATE})?)?\s*"
    r"(?P<kind>(?:sk-)?ssh-ed25519(?:@openssh\.com)?|(?:sk-)?ecdsa-sha2-nistp(?:256|384|521)"
    r"(?:@openssh\.com)?|ssh-rsa) +(?P<blob>[A-Za-z0-9+/]{40,3000}={0,2})(?: .*)?"
)
_FINGERPRINT = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?")
_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?:[^\r\n:]+:[^\r\n]*\r?\n)*[ \t]*\r?\n"
    rb"([A-Za-z0-9+/=\r\n]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\r?\n-----END PGP PUBLIC KEY BLOCK-----"
)


@dataclass(frozen=True)
class SshKey:
    """An SSH public key.

    Attributes:
        name: what the directory calls it.
        options: when it is valid, in the words of an allowed-signers file; may be empty.
        key: its type and its base64, apart by a space.
        fingerprint: `SHA256:…`, as `ssh-keygen -l` shows it.
    """

    name: str
    options: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Keys:
    """All that the trust directory says.

    Attributes:
        ssh: trusted SSH keys.
        revoked_ssh: SSH keys that are refused.
        keyring: all GPG keys, binary, as gpgv wants them.
        pinned: fingerprint of a trusted primary key -> what the directory calls it.
        revoked_gpg: fingerprints of GPG keys that are refused.
        state: changes with any of these.
    """

    ssh: tuple[SshKey, ...]
    revoked_ssh: tuple[SshKey, ...]
    keyring: bytes
    pinned: dict[str, str]
    revoked_gpg: frozenset[str]
    state: str


def read_keys(directory: Path) -> Keys:
    """Reads the trust directory.

    Raises:
        NeedsOperator: it is missing or empty (code `trust.empty`), others may write to it
            (`trust.writable`), it cannot be read (`trust.unreadable`), a file is not what its name
            says (`trust.malformed`), or a GPG key has no fingerprint beside it (`trust.unpinned`).
    """
    try:
        found = dict(_files(directory))
        revoked = dict(_files(directory / "revoked")) if (directory / "revoked").exists() else {}
    except OSError as error:
        raise NeedsOperator(
            f"cannot read the trust directory {directory}: {error.strerror}",
            code="trust.unreadable",
            advice="the agent's user must be able to read it and all files in it",
        ) from error
    ssh = tuple(_ssh_key(path, found[path]) for path in found if path.suffix == ".pub")
    gpg = [path for path in found if path.suffix in {".asc", ".gpg"}]
    if not ssh and not gpg:
        raise _empty(directory)
    digest = hashlib.sha256()
    for path, content in (found | revoked).items():
        digest.update(hashlib.sha256(bytes(path)).digest() + hashlib.sha256(content).digest())
    return Keys(
        ssh=ssh,
        revoked_ssh=tuple(_ssh_key(p, c) for p, c in revoked.items() if p.suffix == ".pub"),
        keyring=b"".join(_openpgp(path, found[path]) for path in gpg),
        pinned={_pin(path, found): path.stem for path in gpg},
        revoked_gpg=frozenset(_fingerprint(p, c) for p, c in revoked.items() if p.suffix == ".fpr"),
        state=digest.hexdigest(),
    )


def _files(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """The files of a directory that matter, in the order of their names, and their contents."""
    if not directory.is_dir():
        raise _empty(directory)
    real = directory.resolve()
    for folder in (real, *real.parents):
        _require_guarded(folder)
    for path in sorted(real.iterdir()):
        if path.suffix not in {".pub", ".asc", ".gpg", ".fpr"} or not _NAME.fullmatch(path.name):
            continue
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE:
            raise _malformed(path, f"it must be a regular file of at most {MAX_FILE} bytes")
        _require_guarded(path)
        yield path, path.read_bytes()


def _require_guarded(path: Path) -> None:
    """Only root and the agent's own user may be able to change what is at a path.

    A folder with the sticky bit (`/tmp`) may be writable: what others own in it stays theirs.
    """
    status = path.stat()
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_uid not in {0, os.geteuid()}:
        raise NeedsOperator(
            f"{path} belongs to another user (uid {status.st_uid}), who could add a key of their"
            " own",
            code="trust.writable",
            advice=f"chown root {path}",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise NeedsOperator(
            f"{path} can be written by other users, who could add a key of their own",
            code="trust.writable",
            advice=f"chmod go-w {path}",
        )


def _ssh_key(path: Path, content: bytes) -> SshKey:
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    match = _SSH_LINE.fullmatch(lines[0]) if len(lines) == 1 else None
    if match is None:
        raise _malformed(path, "it must hold exactly one OpenSSH public key, on one line")
    try:
        blob = base64.b64decode(match["blob"], validate=True)
    except binascii.Error as error:
        raise _malformed(path, "its base64 is broken") from error
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    # Without a zone ssh-keygen takes local time, which for it is UTC here; only newer ones know Z.
    options = (match["options"] or "").replace("Z", "")
    return SshKey(path.stem, options, f"{match['kind']} {match['blob']}", f"SHA256:{digest}")


def _openpgp(path: Path, content: bytes) -> bytes:
    """The binary packets of a public key file, armoured or not."""
    armour = _ARMOUR.search(content)
    try:
        packets = base64.b64decode(armour[1], validate=False) if armour else content
    except binascii.Error as error:
        raise _malformed(path, "its base64 is broken") from error
    # OpenPGP's public key packet has tag 6, in an old (0x98…0x9b) or a new header (0xc6).
    if not packets or packets[0] not in {0x98, 0x99, 0x9A, 0x9B, 0xC6}:
        raise _malformed(path, "it holds no OpenPGP public key; write it with gpg --export --armor")
    return packets


def _pin(path: Path, files: dict[Path, bytes]) -> str:
    """The fingerprint that is written beside a GPG key: a file may hold several keys."""
    beside = path.with_suffix(".fpr")
    if beside not in files:
        raise NeedsOperator(
            f"the GPG key {path} has no fingerprint beside it",
            code="trust.unpinned",
            advice=f"write the fingerprint that the association publishes into {beside}",
        )
    return _fingerprint(beside, files[beside])


def _fingerprint(path: Path, content: bytes) -> str:
    text = "".join(content.decode(errors="replace").split()).upper()
    if not _FINGERPRINT.fullmatch(text):
        raise _malformed(path, "it must hold one fingerprint of 40 or 64 hex digits")
    return text


def _malformed(path: Path, reason: str) -> NeedsOperator:
    return NeedsOperator(
        f"cannot use {path}: {reason}",
        code="trust.malformed",
        advice="mend it or take it out of the trust directory",
    )


def _empty(directory: Path) -> NeedsOperator:
    return NeedsOperator(
        f"there is no key in the trust directory {directory}, so no release can be trusted",
        code="trust.empty",
        advice=f"put the association's public key there, as {directory}/NAME.pub",
    )
