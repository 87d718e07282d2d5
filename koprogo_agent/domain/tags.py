"""Raw git tag objects: headers, message, signature, and every git-level rule (DESIGN, section 7).

git's own verification accepts a tag object under another ref's name and a nested tag; none of that
is left to git here. The bytes are read by this module alone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from koprogo_agent.domain.armour import Purpose, Statement, kind_of
from koprogo_agent.domain.versions import parse_tag
from koprogo_agent.errors import Refused

MAX_BYTES = 512 * 1024
_HEADERS = ("object", "type", "tag", "tagger")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TAGGER = re.compile(r"[^<>\n]{0,200}<[^<>\n]{0,200}> [0-9]{1,12} [+-][0-9]{4}")

# What moves the cursor, rings, recolours, or reorders or hides text on the screen of the person
# who reads the message: C0 and C1 controls but for tab and newline, Unicode's line separators,
# bidirectional controls, invisible spaces and the tag characters. The joiners that emoji and
# some scripts need are left alone.
_HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# git takes a line that only begins like this for a signature, so such a line is never message.
_SIGNATURE_LINE = re.compile(r"^-----BEGIN (?:PGP|SSH|SIGNED) .*$", re.MULTILINE)


@dataclass(frozen=True)
class TagRef:
    """A ref below `refs/tags/` as the source listed it.

    Attributes:
        name: the name without `refs/tags/`, such as `v1.2.0`. Comes from outside: not yet checked.
        oid: id of the object that the ref points at.
    """

    name: str
    oid: str


@dataclass(frozen=True)
class SignedTag:
    """A tag object that satisfies every git-level rule; its signature is not yet checked.

    Attributes:
        ref: the ref under which it was seen; its name equals the object's own `tag` header.
        commit: id of the commit that it points at.
        message: the message without the signature.
        payload: the exact bytes that the signature covers.
        signature: the armoured signature block.
    """

    ref: TagRef
    commit: str
    message: str
    payload: bytes
    signature: str

    @property
    def statement(self) -> Statement:
        """What is said to be signed."""
        return Statement(f"tag {self.ref.name}", Purpose.TAG, self.payload, self.signature)


def read_tag(ref: TagRef, raw: bytes) -> SignedTag:
    """Reads a raw tag object as it was fetched for a ref.

    Args:
        ref: the ref as the source listed it.
        raw: the object's content, without git's `tag <length>` prefix.

    Raises:
        Refused: a rule is broken. Codes: `version.grammar` (the ref's name), `tag.too_large`,
            `tag.altered` (not the listed object), `tag.lightweight`, `tag.renamed`, `tag.nested`,
            `tag.not_commit`, `tag.unsigned`, and `tag.malformed` for everything else.
    """
    parse_tag(ref.name)
    if len(raw) > MAX_BYTES:
        raise Refused(
            f"tag {ref.name} has {len(raw)} bytes; at most {MAX_BYTES} are allowed",
            code="tag.too_large",
        )
    _require_listed(ref, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _malformed(ref, f"byte {error.start} is not UTF-8") from error
    if harmful := _HARMFUL.search(text):
        raise _malformed(
            ref, f"it holds the control character U+{ord(harmful[0]):04X}, which can fool a reader"
        )
    head, blank, body = text.partition("\n\n")
    if not blank:
        raise _malformed(ref, "no blank line ends its headers")
    commit = _read_headers(ref, head)
    start = _find_signature(ref, body)
    signature = body[start:]
    return SignedTag(ref, commit, body[:start], raw[: -len(signature.encode())], signature)


def lightweight(ref: TagRef, kind: str) -> Refused:
    """The refusal of a ref that points straight at an object of another type than a tag."""
    return Refused(
        f"tag {ref.name} points straight at a {kind}; a release is a signed, annotated tag",
        code="tag.lightweight",
        advice=f"the release manager must sign it: git tag -s {ref.name}",
    )


def _require_listed(ref: TagRef, raw: bytes) -> None:
    """Holds the bytes against the id that the source listed: the mirror is not believed."""
    if not _OID.fullmatch(ref.oid):
        raise _malformed(ref, f"its object id {ref.oid[:80]!r} is not 40 or 64 hex digits")
    if object_id(ref.oid, "tag", raw) == ref.oid:
        return
    for kind in ("commit", "tree", "blob"):
        if object_id(ref.oid, kind, raw) == ref.oid:
            raise lightweight(ref, kind)
    raise Refused(
        f"tag {ref.name} was listed as {ref.oid}, but what came is another object",
        code="tag.altered",
    )


def object_id(like: str, kind: str, raw: bytes) -> str:
    """The id of an object in the hash that `like` was made with; its length tells which."""
    name = "sha1" if len(like) == 40 else "sha256"  # noqa: PLR2004 - hex digits of SHA-1
    digest = hashlib.new(name, usedforsecurity=False)
    digest.update(b"%s %d\0" % (kind.encode(), len(raw)))
    digest.update(raw)
    return digest.hexdigest()


def _read_headers(ref: TagRef, head: str) -> str:
    """Checks the four headers and gives the commit's id."""
    pairs = [line.partition(" ")[::2] for line in head.split("\n", len(_HEADERS))]
    names = tuple(name for name, _ in pairs)
    if names != _HEADERS:
        found = ", ".join(name[:20] for name in names[:8])
        raise _malformed(ref, f"its headers are {found!r}, not {', '.join(_HEADERS)!r}")
    target, kind, name, tagger = (value for _, value in pairs)
    if name != ref.name:
        raise Refused(
            f"the ref is named {ref.name}, but the tag object in it was signed as {name[:80]!r}",
            code="tag.renamed",
            advice="someone may be passing off another release; tell the release manager",
        )
    if kind == "tag":
        raise Refused(f"tag {ref.name} points at another tag, not at a commit", code="tag.nested")
    if kind != "commit":
        raise Refused(
            f"tag {ref.name} points at a {kind[:20]!r}, not at a commit", code="tag.not_commit"
        )
    if not _OID.fullmatch(target) or len(target) != len(ref.oid):
        raise _malformed(ref, f"its object header {target[:80]!r} is not a commit's id")
    if not _TAGGER.fullmatch(tagger):
        raise _malformed(ref, f"its tagger header {tagger[:80]!r} is not a name, address and date")
    return target


def _find_signature(ref: TagRef, body: str) -> int:
    """Where in the body the one signature block begins."""
    begins = list(_SIGNATURE_LINE.finditer(body))
    if not begins:
        raise Refused(
            f"tag {ref.name} is not signed",
            code="tag.unsigned",
            advice=f"the release manager must sign it: git tag -s {ref.name}",
        )
    if len(begins) != 1:
        raise _malformed(ref, f"it has {len(begins)} signature blocks, not one")
    start = begins[0].start()
    if kind_of(body[start:]) is None:
        marker = begins[0][0]
        raise _malformed(
            ref,
            f"what begins with {marker[:60]!r} is not exactly one SSH or PGP signature that ends"
            " the tag",
        )
    return start


def _malformed(ref: TagRef, reason: str) -> Refused:
    return Refused(f"tag {ref.name} is malformed: {reason}", code="tag.malformed")
