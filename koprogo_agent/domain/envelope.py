"""A signed document of the trust branch: its canonical bytes, and the signatures over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from koprogo_agent.domain.armour import MAX_SIGNATURES, Purpose, Statement, kind_of
from koprogo_agent.domain.canonical import Fields, Format, decode, encode

MAX_BYTES = 512 * 1024


@dataclass(frozen=True)
class Envelope:
    """A document with its signatures, of which none is checked yet.

    Attributes:
        document: the document that is signed.
        signatures: armoured signatures over its canonical bytes.
    """

    document: Any
    signatures: tuple[str, ...]

    @property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        return encode(self.document)

    @property
    def sha256(self) -> str:
        """Hash (hex) of the signed bytes: names the document, whoever has signed it so far."""
        return hashlib.sha256(self.payload).hexdigest()

    def raw(self) -> bytes:
        """The file: one line."""
        return encode({"signatures": list(self.signatures), "signed": self.document}) + b"\n"

    def statements(self, subject: str, purpose: Purpose) -> Iterator[Statement]:
        """What is said to be signed, signature by signature."""
        for signature in self.signatures:
            yield Statement(subject, purpose, self.payload, signature)


def open_envelope(raw: bytes, form: Format) -> Envelope:
    """Reads the file of a signed document.

    Raises:
        Refused: it is not in canonical form, or holds what is no armoured signature.
    """
    fields = Fields.of(form, decode(raw.removesuffix(b"\n"), form, MAX_BYTES))
    fields.exactly("signatures", "signed")
    signatures = fields.texts("signatures", MAX_SIGNATURES)
    if not all(kind_of(one) for one in signatures):
        raise form.bad("it holds a signature that is neither an SSH nor a PGP signature")
    return Envelope(fields.values["signed"], signatures)
