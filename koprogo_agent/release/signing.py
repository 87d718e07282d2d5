"""Makes signatures: by the SSH agent or by GPG, and held against the rules at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from koprogo_agent.domain.armour import Kind, Purpose, Statement
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.quorum import Signer, Testimony, require_entitled
from koprogo_agent.domain.root import Role, RoleName, Root
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.ports import Signatures
from koprogo_agent.release import keyring

_SECONDS = 180.0
"""A person may have to find a hardware key and touch it, or to type a passphrase."""


@dataclass(frozen=True)
class Tally:
    """How far the signing has come, by the keys of one role of one trust root.

    Attributes:
        root: what messages call the trust root.
        signers: those who have signed and count, each once.
    """

    root: str
    role: Role
    signers: tuple[Signer, ...]

    @property
    def missing(self) -> int:
        """How many more must sign."""
        return max(0, self.role.threshold - len(self.signers))

    @property
    def waiting(self) -> tuple[str, ...]:
        """The names of those who may sign and have not."""
        signed = {signer.key for signer in self.signers}
        return tuple(key.name for key in self.role.keys if key.fingerprint not in signed)

    def holds(self, key: Key) -> bool:
        """Whether a key has signed."""
        return any(signer.key == key.fingerprint for signer in self.signers)


def count(testimony: Testimony, root: Root, name: RoleName, at: datetime) -> Tally:
    """Who of those who signed counts for a role."""
    role = root.role(name)
    counted: dict[str, Signer] = {}
    for signer in testimony.signers:
        try:
            require_entitled("this", signer, root, role, at)
        except Refused:
            continue
        counted.setdefault(signer.key, signer)
    return Tally(root.subject, role, tuple(counted.values()))


def sign(
    key: Key,
    subject: str,
    purpose: Purpose,
    payload: bytes,
    signatures: Signatures,
    now: datetime,
) -> str:
    """A signature that a key makes; it has been checked.

    Args:
        key: the key; its private half lies with the SSH agent or with GPG.
        subject: what messages call that which is signed.
        purpose: what it is signed for.
        payload: the bytes.
        signatures: the tools that check it.
        now: our own clock.

    Raises:
        NeedsOperator: no signature was made (code `key.failed`).
        Refused: one was made that no agent would believe.
        RetryLater: nobody answered in time.
    """
    made = _by_agent(key, purpose, payload) if key.kind is Kind.SSH else _by_gpg(key, payload)
    signatures.signer(Statement(subject, purpose, payload, made), [key], now)
    return made


def _by_agent(key: Key, purpose: Purpose, payload: bytes) -> str:
    with TemporaryDirectory(prefix="koprogo-release-") as folder:
        # The public key alone, away from its private half: so nothing but the agent can sign.
        public = Path(folder) / "key"
        public.write_text(f"{key.public}\n")
        words = ("-Y", "sign", "-q", "-n", purpose, "-f", str(public))
        return _run(["ssh-keygen", *words], key, payload)


def _by_gpg(key: Key, payload: bytes) -> str:
    looks = ("--no-emit-version", "--no-comments")
    words = ("--batch", "--armor", "--detach-sign", *looks, "--local-user", key.fingerprint)
    return _run(["gpg", *words], key, payload)


def _run(argv: Sequence[str], key: Key, payload: bytes) -> str:
    done = keyring.run(argv, payload, _SECONDS)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())[-200:]
        raise NeedsOperator(
            f"{argv[0]} made no signature with the key {key.name}: {said}",
            code="key.failed",
            advice="if it must be touched or unlocked, do so, and type the same again",
        )
    return done.stdout.decode(errors="replace")
