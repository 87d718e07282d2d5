"""The signature of a request in the one form in which this project's client writes it.

Instances sign their reports all in the same way, so nearly every request that a server gets has
this form; the library, which reads whatever RFC 9421 allows, takes longer for it than Ed25519 does.
What has another form is not refused here: it is for the library to judge.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import NamedTuple

_METHOD = re.compile(r"POST|DELETE")
# As it stands here it is signed: there is nothing to be left out or to be filled in.
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?/[A-Za-z0-9/._-]*")
_INPUT = re.compile(
    r"([a-z]{1,32})="
    r'(\("@method" "@target-uri" "content-digest"\)'
    # Until 2065, written in one way.
    r';created=([12][0-9]{9});keyid="([A-Za-z0-9_-]{43})";alg="ed25519";tag="koprogo-report")'
)
_SIGNATURE = re.compile(r"([a-z]{1,32})=:([A-Za-z0-9+/]{86}==):")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


class Signed(NamedTuple):
    """What a request says of its signature, none of it checked.

    Attributes:
        base: the bytes that are signed.
        signature: of them, 64 bytes.
        key_id: as it is written.
        created: when, in seconds since 1970.
        sha256: of the body, 32 bytes.
    """

    base: bytes
    signature: bytes
    key_id: str
    created: int
    sha256: bytes


def read(method: str, url: str, headers: dict[str, str]) -> Signed | None:
    """What a request says, or None where it has another form.

    Args:
        method: of the request.
        url: whole.
        headers: names in small letters.
    """
    claimed = _INPUT.fullmatch(headers.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(headers.get("signature", ""))
    digest = _DIGEST.fullmatch(headers.get("content-digest", ""))
    if claimed is None or signature is None or digest is None or claimed[1] != signature[1]:
        return None
    if not (_METHOD.fullmatch(method) and _URL.fullmatch(url)):
        return None
    _, parameters, created, key_id = claimed.groups()
    base = (
        f'"@method": {method}\n"@target-uri": {url}\n"content-digest": {digest[0]}\n'
        f'"@signature-params": {parameters}'
    )
    return Signed(
        base=base.encode(),
        signature=b64decode(signature[2]),
        key_id=key_id,
        created=int(created),
        sha256=b64decode(digest[1]),
    )
