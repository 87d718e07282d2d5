"""Keys that sign tags: SSH and GPG, good ones and every kind of bad one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from tests.lab.processes import run

GIT_NAMESPACE = "git"
# Keys that expire are made and used in the past, while they were valid.
LONG_AGO = "20200101T000000"


class Signer(Protocol):
    """Something that signs bytes; the signature is armored, as it stands in a tag."""

    def sign(self, payload: bytes) -> bytes:
        """Sign `payload`."""


@dataclass(frozen=True, slots=True)
class SshKey:
    """An Ed25519 key that signs as `git tag -s` with gpg.format=ssh does."""

    file: Path
    namespace: str = GIT_NAMESPACE

    @classmethod
    def create(cls, directory: Path, name: str) -> Self:
        """Make a key pair; `name` becomes its comment."""
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / name
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)])
        return cls(file)

    @property
    def public(self) -> str:
        """The public key as one line: type, base64, comment."""
        return self.file.with_suffix(".pub").read_text().strip()

    def meant_for(self, namespace: str) -> SshKey:
        """The same key, for signatures of another purpose."""
        return replace(self, namespace=namespace)

    def sign(self, payload: bytes) -> bytes:
        """Sign with this key's namespace."""
        return run(
            ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.file), "-n", self.namespace],
            stdin=payload,
        )


@dataclass(frozen=True, slots=True)
class GpgKey:
    """An Ed25519 GPG key in a home of its own."""

    home: Path
    fingerprint: str
    clock: str = ""

    @classmethod
    def create(cls, home: Path, name: str, *, expires: str = "never", clock: str = "") -> Self:
        """Make a key without a passphrase; `clock` (`20200101T000000`) is when it was made."""
        home.mkdir(parents=True, mode=0o700)
        identity = f"{name} <{name}@koprogo.example>"
        _gpg(home, clock, "--quick-gen-key", identity, "ed25519", "sign", expires)
        listed = _gpg(home, "", "--with-colons", "--list-keys").decode()
        fingerprint = next(
            line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")
        )
        return cls(home, fingerprint, clock)

    @property
    def public(self) -> bytes:
        """The public key, binary, as a keyring file for gpgv."""
        return _gpg(self.home, "", "--export", self.fingerprint)

    @property
    def armored(self) -> str:
        """The public key as text."""
        return _gpg(self.home, "", "--armor", "--export", self.fingerprint).decode()

    def sign(self, payload: bytes) -> bytes:
        """Sign, at the time at which the key was made if that is not now."""
        return _gpg(
            self.home, self.clock, "--armor", "--detach-sign", "-u", self.fingerprint, stdin=payload
        )

    def revoked(self) -> bytes:
        """The public key with its revocation, as a keyring; this key itself can go on signing."""
        copy = self.home.with_name(f"{self.home.name}-r")
        copy.mkdir(mode=0o700)
        written = self.home / f"openpgp-revocs.d/{self.fingerprint}.rev"
        # GnuPG puts a colon before the block so that nobody imports it by mistake.
        certificate = written.read_bytes().replace(b":-----BEGIN", b"-----BEGIN")
        _gpg(copy, "", "--import", stdin=self.public)
        _gpg(copy, "", "--import", stdin=certificate)
        exported = _gpg(copy, "", "--export", self.fingerprint)
        _close(copy)
        return exported


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of a lab.

    `ssh` and `gpg` are the release manager's, `freshness` is the one that lies on a server;
    `other_ssh` and `other_gpg` nobody trusts;
    `expired` is a key whose time is over, `revocable` one whose `revoked()` is published.
    """

    ssh: SshKey
    gpg: GpgKey
    other_ssh: SshKey
    other_gpg: GpgKey
    expired: GpgKey
    revocable: GpgKey
    freshness: SshKey

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Make them; `directory` must be short, a socket of GnuPG's lies in it."""
        return cls(
            ssh=SshKey.create(directory / "ssh", "release"),
            gpg=GpgKey.create(directory / "g1", "release"),
            other_ssh=SshKey.create(directory / "ssh", "stranger"),
            other_gpg=GpgKey.create(directory / "g2", "stranger"),
            expired=GpgKey.create(directory / "g3", "expired", expires="30d", clock=LONG_AGO),
            revocable=GpgKey.create(directory / "g4", "revoked"),
            freshness=SshKey.create(directory / "ssh", "freshness"),
        )

    def close(self) -> None:
        """End the agents that GnuPG left running."""
        for key in (self.gpg, self.other_gpg, self.expired, self.revocable):
            _close(key.home)


def _gpg(home: Path, clock: str, *words: str, stdin: bytes = b"") -> bytes:
    faked = [f"--faked-system-time={clock}!"] if clock else []
    quiet = ["--batch", "--quiet", "--no-tty", "--pinentry-mode=loopback", "--passphrase="]
    return run(["gpg", *quiet, *faked, *words], stdin=stdin, env=_environment(home))


def _close(home: Path) -> None:
    run(["gpgconf", "--kill", "all"], env=_environment(home))
    shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "GNUPGHOME": str(home), "LC_ALL": "C.UTF-8"}
