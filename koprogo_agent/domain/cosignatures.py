"""Co-signatures: others than the tag's own signer who vouch for its manifest.

They lie in the tag's message, as one line of canonical JSON between two marker lines: a list of
armoured signatures over the manifest's canonical bytes. So the signature on the tag covers them.
"""

from __future__ import annotations

from collections.abc import Sequence

from koprogo_agent.domain.armour import MAX_SIGNATURES, Purpose, Statement, kind_of
from koprogo_agent.domain.canonical import Format, decode, enclosed, encode

BEGIN = "-----BEGIN KOPROGO COSIGNATURES-----"
END = "-----END KOPROGO COSIGNATURES-----"
MAX_BYTES = 128 * 1024
_FORM = Format("the block of co-signatures", "cosignatures.invalid")


def read_cosignatures(message: str, subject: str, payload: bytes | None) -> tuple[Statement, ...]:
    """The co-signatures in a tag's message; none of them is checked yet.

    Args:
        message: the tag's message.
        subject: what messages call that which is signed.
        payload: the canonical bytes of the manifest, or None where the tag has none.

    Raises:
        Refused: the block is not as it should be (code `cosignatures.invalid`).
    """
    line = enclosed(message, BEGIN, END, _FORM)
    if line is None:
        return ()
    if payload is None:
        raise _FORM.bad("there is no manifest that it could be about")
    listed = decode(line.encode(errors="surrogatepass"), _FORM, MAX_BYTES)
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_SIGNATURES:
        raise _FORM.bad(f"it is not a list of 1 to {MAX_SIGNATURES} signatures")
    if not all(isinstance(one, str) and kind_of(one) for one in listed):
        raise _FORM.bad("it holds what is neither an SSH nor a PGP signature")
    return tuple(Statement(subject, Purpose.RELEASE, payload, one) for one in listed)


def write_cosignatures(signatures: Sequence[str]) -> str:
    """The block as it stands in a tag's message; empty where there are none."""
    return f"{BEGIN}\n{encode(list(signatures)).decode()}\n{END}\n" if signatures else ""
