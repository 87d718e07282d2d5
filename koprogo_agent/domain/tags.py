"""Raw git tag objects: headers, message, signature, and every git-level rule (DESIGN, section 7).

git's own verification accepts a tag object under another ref's name and a nested tag; none of that
is left to git here. The bytes are read by this module alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class TagRef:
    """A ref below `refs/tags/` as the source listed it.

    Attributes:
        name: the name without `refs/tags/`, such as `v1.2.0`. Comes from outside: not yet checked.
        oid: id of the object that the ref points at.
    """

    name: str
    oid: str


class SignatureKind(StrEnum):
    """How a tag is signed."""

    SSH = "ssh"
    GPG = "gpg"


@dataclass(frozen=True)
class SignedTag:
    """A tag object that satisfies every git-level rule; its signature is not yet checked.

    Attributes:
        ref: the ref under which it was seen; its name equals the object's own `tag` header.
        commit: id of the commit that it points at.
        message: the message without the signature.
        payload: the exact bytes that the signature covers.
        signature: the armoured signature block.
        kind: which tool checks the signature.
    """

    ref: TagRef
    commit: str
    message: str
    payload: bytes
    signature: bytes
    kind: SignatureKind
