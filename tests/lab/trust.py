"""The association of the lab: writes trust roots and freshness, apart from the agent's reader."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.lab.keys import GpgKey, Keys, Signer, SshKey
from tests.lab.repository import Repository
from tests.lab.security_key import SecurityKey

BRANCH = "refs/heads/trust"
ROOT_NAMESPACE, FRESHNESS_NAMESPACE = "koprogo-root", "koprogo-freshness"
COSIGN_NAMESPACE = "koprogo-release"
ROOT_VALID, FRESHNESS_VALID = timedelta(days=730), timedelta(hours=48)

Document = Mapping[str, object]
Roles = Mapping[str, tuple[Sequence[str], int]]
"""Role -> the names of its keys, and how many of them must sign."""


def canonical(document: object) -> bytes:
    """The one text that a document has."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def instant(when: datetime) -> str:
    """An instant as documents write it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signature(signer: Signer, payload: bytes, namespace: str) -> str:
    """A detached signature, for SSH in a namespace."""
    if isinstance(signer, SshKey):
        signer = signer.meant_for(namespace)
    return signer.sign(payload).decode()


def envelope(signed: Document, signers: Sequence[Signer], namespace: str) -> bytes:
    """The file of a document that these have signed."""
    signatures = [signature(one, canonical(signed), namespace) for one in signers]
    return canonical({"signed": signed, "signatures": signatures}) + b"\n"


def entry(key: Signer, **changes: object) -> dict[str, object]:
    """A key as a trust root lists it."""
    if isinstance(key, GpgKey):
        kind, fingerprint = "gpg", key.fingerprint
        public = base64.b64encode(key.public).decode()
    else:
        assert isinstance(key, SshKey | SecurityKey)
        kind, public = "ssh", " ".join(key.public.split()[:2])
        digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
        fingerprint = f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
    known = {"kind": kind, "fingerprint": fingerprint, "public": public}
    return {**known, "valid_from": None, "valid_until": None, **changes}


def describe_root(
    version: int, keys: Mapping[str, Document], roles: Roles, **changes: object
) -> dict[str, object]:
    """A trust root, issued now and good for two years."""
    now = datetime.now(UTC)
    return {
        "type": "koprogo-root",
        "format": 1,
        "product": "koprogo",
        "version": version,
        "issued": instant(now),
        "expires": instant(now + ROOT_VALID),
        "keys": keys,
        "roles": {
            name: {"keys": list(names), "threshold": threshold}
            for name, (names, threshold) in roles.items()
        },
        **changes,
    }


def describe_freshness(version: int, **changes: object) -> dict[str, object]:
    """A freshness document, issued now and good for two days, that says nothing of any release."""
    now = datetime.now(UTC)
    return {
        "type": "koprogo-freshness",
        "format": 1,
        "product": "koprogo",
        "version": version,
        "root": 1,
        "issued": instant(now),
        "expires": instant(now + FRESHNESS_VALID),
        "channels": {},
        "held": {},
        "yanked": {},
        "rollouts": {},
        **changes,
    }


@dataclass
class Association:
    """Publishes on the trust branch of a repository.

    Attributes:
        online: the key that signs freshness documents.
        files: what the branch holds.
    """

    repository: Repository
    online: SshKey
    files: dict[str, bytes] = field(default_factory=dict)
    _version: int = 0

    @classmethod
    def found(cls, repository: Repository, keys: Keys) -> Association:
        """The first trust root, in which one key is enough, and a freshness document."""
        founded = cls(repository, keys.freshness)
        root = describe_root(1, known_keys(keys), PLAIN_ROLES)
        founded.publish_root(1, envelope(root, [keys.ssh], ROOT_NAMESPACE))
        founded.renew()
        return founded

    def disband(self) -> None:
        """Takes the trust branch away: somebody else founds another association."""
        self.files.clear()
        self.repository.drop(BRANCH)

    def publish_root(self, version: int, raw: bytes) -> None:
        """Puts a trust root on the branch."""
        self.publish({f"root/{version}.json": raw})

    def renew(self, version: int = 0, **changes: object) -> None:
        """Puts a new freshness document on the branch: the next version, if none is named."""
        self._version = version or self._version + 1
        signed = describe_freshness(self._version, **changes)
        self.publish_freshness(envelope(signed, [self.online], FRESHNESS_NAMESPACE))

    def publish_freshness(self, raw: bytes) -> None:
        """Puts these very bytes there as the freshness document."""
        self.publish({"freshness.json": raw})

    def publish(self, files: Mapping[str, bytes]) -> None:
        """Adds or replaces files of the branch."""
        self.files |= files
        tree = self.repository.tree(self.files)
        known = self.repository.git("for-each-ref", "--format=%(objectname)", BRANCH)
        commit = self.repository.commit(tree, known.split(), "Trust", int(time.time()))
        self.repository.point(BRANCH, commit)


PLAIN_ROLES: Roles = {
    "root": (["release"], 1),
    "release": (["release", "release-gpg", "expired", "revoked"], 1),
    "freshness": (["freshness"], 1),
}


def known_keys(keys: Keys) -> dict[str, Document]:
    """The keys of the lab that its first trust root lists, good and bad."""
    revoked = base64.b64encode(keys.revocable.revoked()).decode()
    return {
        "release": entry(keys.ssh),
        "release-gpg": entry(keys.gpg),
        "expired": entry(keys.expired),
        "revoked": entry(keys.revocable, public=revoked),
        "freshness": entry(keys.freshness),
    }
