"""How a request to the fleet is signed, and that verified: RFC 9421 with Ed25519, one profile.

Covered are method, address and content; parameters are when, the key and a tag. The key's id is the
public key itself: whoever verifies looks nothing up, and an instance is known by its key.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import exceptions
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)
from http_message_signatures.algorithms import ED25519

from koprogo_agent.errors import Refused
from koprogo_agent.wire.plain import Signed, read

COVERED = ("@method", "@target-uri", "content-digest")
_COVERED_IDS = {f'"{name}"' for name in COVERED}
_DIGEST_ID = '"content-digest"'
TAG = "koprogo-report"
SKEW = 300.0
"""Seconds by which the clocks of both sides may differ."""


@dataclass(frozen=True)
class Request:
    """A request as it is signed.

    Attributes:
        method: in capitals.
        url: whole, as the client asks for it.
        body: the content, perhaps empty.
        headers: name -> value; signing adds to it.
    """

    method: str
    url: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def sign(request: Request, key: Ed25519PrivateKey, now: datetime) -> None:
    """Adds the digest and the signature to the request's headers."""
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=_Own(key))
    signer.sign(
        request,
        key_id=key_id(key.public_key()),
        created=now,
        tag=TAG,
        label="koprogo",
        covered_component_ids=COVERED,
        body=request.body,
    )


def verify(request: Request, now: datetime) -> bytes:
    """The 32 bytes of the public key that has signed the request, about now.

    The longer the headers are, the longer it takes; of several signatures each is looked at.

    Raises:
        Refused: none has (code `signature.invalid`), or not now (`signature.time`).
    """
    try:
        plain = read(request.method, request.url, request.headers)
        created, key = _by_library(request) if plain is None else _plainly(plain, request.body)
    except (HTTPMessageSignaturesException, ValueError) as error:
        raise Refused(f"the signature does not hold: {error}", code="signature.invalid") from error
    if abs(now.timestamp() - created) > SKEW:
        raise Refused(
            "the signature is not of this time: it is an old one, or a clock is wrong",
            code="signature.time",
        )
    return key


def _plainly(signed: Signed, body: bytes) -> tuple[float, bytes]:
    key = _decoded(signed.key_id)
    if sha256(body).digest() != signed.sha256:
        raise InvalidSignature("the content is not what was signed")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signed.signature, signed.base)
    except exceptions.InvalidSignature as error:
        raise InvalidSignature("it is another key's, or of something else") from error
    return signed.created, key


def _by_library(request: Request) -> tuple[float, bytes]:
    verifier = _Verifier(signature_algorithm=ED25519, key_resolver=_InKeyId())
    (result,) = verifier.verify(request, max_age=None, expect_tag=TAG)
    if not result.covered_components.keys() >= _COVERED_IDS:
        raise InvalidSignature(f"it does not cover {' and '.join(COVERED)}")
    ContentDigest.verify(result.covered_components[_DIGEST_ID], request.body)
    return float(result.parameters["created"]), _decoded(str(result.parameters["keyid"]))


def key_id(key: Ed25519PublicKey) -> str:
    """The public key as text."""
    return _encoded(key.public_bytes_raw())


class _Verifier(HTTPMessageVerifier):
    # The caller says what time it is.
    max_clock_skew = timedelta(days=36_500)


class _Own(HTTPSignatureKeyResolver):
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:  # noqa: ARG002 - the library's
        return self._key


class _InKeyId(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(_decoded(key_id))


def _decoded(text: str) -> bytes:
    """The bytes of a key's id, of which there is but one for each key."""
    raw = urlsafe_b64decode(text + "=")
    if _encoded(raw) != text:
        raise ValueError("the key's id is not a public key as it is written here")
    return raw


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
