"""Everything that reads bytes which nobody has signed yet, and what must be true of each reading.

A reader gives a content or raises `Refused`. What it accepts, it accounts for whole: the same bytes
can be written from what was read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from koprogo_agent.domain import manifest as manifests
from koprogo_agent.domain.armour import Purpose, kind_of
from koprogo_agent.domain.canonical import Format, decode, encode
from koprogo_agent.domain.cosignatures import read_cosignatures, write_cosignatures
from koprogo_agent.domain.freshness import read_freshness
from koprogo_agent.domain.keys import ssh_fingerprint
from koprogo_agent.domain.manifest import find_block, parse
from koprogo_agent.domain.root import Root, read_root
from koprogo_agent.domain.rules import read_claim
from koprogo_agent.domain.tags import SignedTag, TagRef, read_tag
from koprogo_agent.domain.versions import parse_version
from koprogo_agent.errors import Refused
from tests.cases import COMMIT, document
from tests.simulation.origin import git_id, tag_object
from tests.simulation.signing import public, sign
from tests.simulation.trust import Roles, freshness, root

PGP = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n"
SSH = sign("ann", Purpose.TAG, b"")
ROLES: Roles = {
    "root": (("ann", "bob"), 2),
    "release": (("ann", "bob"), 2),
    "freshness": (("job",), 1),
}


@dataclass(frozen=True)
class Reader:
    """One way in.

    Attributes:
        read: reads, and checks that what it accepts is accounted for.
        seeds: what it accepts.
    """

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def text(raw: bytes) -> str:
    """Text of any bytes; what is no UTF-8 becomes lone surrogates, which encode to nothing."""
    return raw.decode(errors="surrogateescape")


def _tag(raw: bytes) -> object:
    found = read_tag(TagRef("v1.2.0", git_id("tag", raw)), raw)
    assert found.payload + found.signature.encode() == raw
    assert found.statement.kind is not None
    assert found.payload.decode().endswith(found.message)
    return found.payload, found.signature


def _claim(raw: bytes) -> object:
    tag = SignedTag(TagRef("v1.2.0", "a" * 40), COMMIT, text(raw), b"", "")
    claim = read_claim(tag)
    assert claim.manifest is not None or not claim.cosignatures
    assert claim.manifest is None or _manifest_is(claim.manifest.sha256, find_block(tag.message))
    return claim


def _manifest(raw: bytes) -> object:
    found = parse(text(raw))
    assert encode(decode(raw, Format("it", "x"), manifests.MAX_BYTES)) == raw
    assert _manifest_is(found.sha256, text(raw))
    return found


def _manifest_is(sha256: str, line: str | None) -> bool:
    return line is not None and parse(line).sha256 == sha256


def _root(raw: bytes) -> object:
    found = read_root(raw)
    assert found.envelope.raw() == raw.removesuffix(b"\n") + b"\n"
    _roles_can_be_filled(found)
    return found.envelope.sha256, found.envelope.signatures


def _roles_can_be_filled(found: Root) -> None:
    prints = [key.fingerprint for key in found.keys]
    assert len(set(prints)) == len(prints)
    for role in found.roles.values():
        assert 1 <= role.threshold <= len({key.fingerprint for key in role.keys})
        assert set(role.keys) <= set(found.keys)


def _freshness(raw: bytes) -> object:
    found = read_freshness(raw)
    assert found.envelope.raw() == raw.removesuffix(b"\n") + b"\n"
    assert all(one.isprintable() for one in (*found.held.values(), *found.yanked.values()))
    for rollout in found.rollouts.values():
        for place in (0.0, 0.5, 1 - 2**-48):
            turn = rollout.turn(place)
            assert turn is None or turn >= rollout.start
    return found.envelope.sha256, found.envelope.signatures


def _cosignatures(raw: bytes) -> object:
    found = read_cosignatures(text(raw), "it", b"payload")
    block = write_cosignatures([one.signature for one in found])
    assert block.rstrip("\n") in text(raw)
    return found


def _kind(raw: bytes) -> object:
    kind = kind_of(text(raw))
    if kind is None:
        raise Refused("it is no signature", code="x")
    assert raw.isascii()
    markers = [line for line in raw.split(b"\n") if line.startswith(b"-")]
    assert len(markers) == 2
    return kind, raw


def _fingerprint(raw: bytes) -> object:
    found = ssh_fingerprint(text(raw))
    assert len(found) == len("SHA256:") + 43
    return found


def _version(raw: bytes) -> object:
    found = parse_version(text(raw))
    assert str(found).encode() == raw
    return found


_LINE = encode(document(upgrade_from=[">=1.0.0"]))
_BLOCK = f"{manifests.BEGIN}\n{_LINE.decode()}\n{manifests.END}\n"
_COSIGNED = write_cosignatures([sign("bob", Purpose.RELEASE, _LINE), PGP])
_ENTRIES = {
    "channels": {"stable": {"version": "1.2.0", "counter": 7}},
    "held": {"1.2.0": "we look into it"},
    "yanked": {"1.1.0": "it loses mails"},
    "rollouts": {"1.2.0": {"start": "2026-01-05T12:00:00Z", "duration": 60, "share": 50}},
}
_FRESH = freshness(
    7,
    channels=_ENTRIES["channels"],
    held=_ENTRIES["held"],
    yanked=_ENTRIES["yanked"],
    rollouts=_ENTRIES["rollouts"],
)

READERS: Mapping[str, Reader] = {
    "tag": Reader(_tag, (tag_object("v1.2.0", COMMIT, f"KoproGo\n\n{_BLOCK}{_COSIGNED}"),)),
    "claim": Reader(_claim, (f"KoproGo\n\n{_BLOCK}{_COSIGNED}".encode(), b"KoproGo\n")),
    "manifest": Reader(_manifest, (_LINE,)),
    "root": Reader(_root, (root(3, ROLES, ("ann", "bob")),)),
    "freshness": Reader(_freshness, (_FRESH, freshness())),
    "cosignatures": Reader(_cosignatures, (_COSIGNED.encode(), b"")),
    "kind": Reader(_kind, (SSH.encode(), PGP.encode())),
    "fingerprint": Reader(_fingerprint, (public("ann").encode(), f"{public('b')} b@c".encode())),
    "version": Reader(_version, (b"1.2.0", b"1.2.0-rc.1")),
}


def canonical(raw: bytes) -> bytes:
    """The canonical form of what is JSON: so that a change of its content is read at all."""
    try:
        return encode(json.loads(raw))
    except (ValueError, RecursionError):
        return raw


def attempt(name: str, raw: bytes) -> object:
    """As `judged`, by the name of one of these readers."""
    return judged(READERS[name], raw)


def judged(reader: Reader, raw: bytes) -> object:
    """What a reader makes of bytes; None where it refuses them.

    Raises:
        Exception: anything but a refusal is a fault of the reader.
    """
    try:
        return reader.read(raw)
    except Refused as error:
        _told(error)
    return None


def _told(error: Refused) -> None:
    """A refusal has a code and one line that is safe to print, and not too long."""
    assert error.code
    assert 1 < len(error.message) < 1000
    assert error.message.isprintable()
