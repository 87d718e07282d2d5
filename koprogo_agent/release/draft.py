"""A release before it is published: a file that people carry to each other and sign.

The bytes of the tag follow from it alone. The signature on the tag covers the co-signatures, so it
comes last: whoever does not complete the threshold co-signs the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from koprogo_agent.domain.armour import MAX_SIGNATURES, Purpose, Statement, kind_of
from koprogo_agent.domain.canonical import Fields, Format, decode, encode
from koprogo_agent.domain.cosignatures import write_cosignatures
from koprogo_agent.domain.manifest import BEGIN, END, Manifest, parse
from koprogo_agent.domain.root import Root, read_root
from koprogo_agent.domain.rules import Claim, read_claim
from koprogo_agent.domain.tags import TagRef, object_id, read_tag
from koprogo_agent.domain.versions import tag_name

TYPE = "koprogo-draft"
FORM = Format("the draft", "draft.invalid")
MAX_BYTES = 4 * 1024 * 1024
_TITLES = {"koprogo": "KoproGo"}
"""How products are written whose titles are not their names."""
_KEYS = (
    *("type", "format", "manifest", "notes", "tagger"),
    *("cosignatures", "tag", "root", "since"),
)
_NO_SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"


@dataclass(frozen=True)
class Draft:
    """A release that is being signed.

    Attributes:
        document: its manifest, as JSON.
        notes: what is new, for people.
        tagger: `Name <mail> SECONDS +0000`.
        root: the trust root in force when it was prepared.
        since: the raw tag object of the release before it, so that whoever signs can see what
            changes; empty where there is none.
        cosignatures: armoured signatures over the manifest.
        signature: the armoured signature on the tag; empty while it is not complete.
    """

    document: dict[str, Any]
    notes: str
    tagger: str
    root: Root
    since: str = ""
    cosignatures: tuple[str, ...] = ()
    signature: str = ""

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest as agents will read it."""
        return parse(self.manifest_bytes.decode())

    @property
    def manifest_bytes(self) -> bytes:
        """What co-signers sign."""
        return encode(self.document)

    @property
    def name(self) -> str:
        """The tag's name."""
        return tag_name(self.manifest.version)

    @property
    def manifest_subject(self) -> str:
        """What messages call that which co-signers sign."""
        return f"the manifest of {self.name}"

    @property
    def payload(self) -> bytes:
        """The tag object without its signature: what the signature on the tag covers."""
        head = f"object {self.manifest.commit}\ntype commit\ntag {self.name}\ntagger {self.tagger}"
        notes = f"{self.notes}\n\n" if self.notes else ""
        block = f"{BEGIN}\n{self.manifest_bytes.decode()}\n{END}\n"
        text = f"{head}\n\n{self._title} {self.manifest.version}\n\n{notes}{block}"
        return f"{text}{write_cosignatures(self.cosignatures)}".encode()

    @property
    def raw(self) -> bytes:
        """The tag object, as far as it is signed."""
        return self.payload + self.signature.encode()

    @property
    def ref(self) -> TagRef:
        """The tag under which it will be published."""
        return TagRef(self.name, object_id(self.manifest.commit, "tag", self.raw))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is said to be signed: co-signatures, and the tag."""
        about = (self.manifest_subject, Purpose.RELEASE, self.manifest_bytes)
        tag = Statement(f"tag {self.name}", Purpose.TAG, self.payload, self.signature)
        given = (Statement(*about, one) for one in self.cosignatures)
        return (*given, *((tag,) if self.signature else ()))

    @property
    def before(self) -> Claim | None:
        """What the release before it says of itself, or None."""
        return read_raw_tag(self.since) if self.since else None

    @property
    def file_name(self) -> str:
        """What its file is called."""
        return f"{self.manifest.product}-{self.name}.draft.json"

    @property
    def _title(self) -> str:
        product = self.manifest.product
        return _TITLES.get(product, product)

    def cosigned(self, signature: str) -> Draft:
        """The same with one more co-signature."""
        return replace(self, cosignatures=(*self.cosignatures, signature))

    def completed(self, signature: str) -> Draft:
        """The same with the signature on the tag."""
        return replace(self, signature=signature)

    def require_readable(self) -> None:
        """Whatever agents and people would stumble over later is found now.

        Raises:
            Refused: the notes or the tagger would make a tag that no agent reads, or the release
                before it is none.
        """
        whole = replace(self, signature=self.signature or _NO_SIGNATURE)
        read_claim(read_tag(whole.ref, whole.raw))
        if self.before is not None and self.before.manifest is None:
            raise FORM.bad("the release before it has no manifest")

    def write(self) -> bytes:
        """The file: one line."""
        root = self.root.envelope
        document = {
            "type": TYPE,
            "format": 1,
            "manifest": self.document,
            "notes": self.notes,
            "tagger": self.tagger,
            "cosignatures": list(self.cosignatures),
            "tag": self.raw.decode() if self.signature else None,
            "root": {"signatures": list(root.signatures), "signed": root.document},
            "since": self.since or None,
        }
        return encode(document) + b"\n"


def tidy_notes(text: str) -> str:
    """Notes as they can stand in a tag."""
    return text.replace("\r\n", "\n").strip()


def read_draft(raw: bytes) -> Draft:
    """Reads the file of a draft.

    Raises:
        Refused: anything at all is not as the format says.
    """
    fields = Fields.of(FORM, decode(raw.removesuffix(b"\n"), FORM, MAX_BYTES))
    fields.exactly(*_KEYS)
    if fields.text("type") != TYPE or fields.number("format", 1) != 1:
        raise FORM.bad(f"it is not a {TYPE} of format 1")
    cosignatures = fields.texts("cosignatures", MAX_SIGNATURES)
    if not all(kind_of(one) for one in cosignatures):
        raise FORM.bad("it holds a co-signature that is neither an SSH nor a PGP signature")
    draft = Draft(
        document=fields.inner("manifest").values,
        notes=fields.text("notes"),
        tagger=fields.text("tagger"),
        root=read_root(encode(fields.inner("root").values)),
        since=_optional(fields, "since"),
        cosignatures=cosignatures,
    )
    tag = _optional(fields, "tag")
    unsigned = draft.payload.decode()
    if tag and not (tag.startswith(unsigned) and kind_of(tag.removeprefix(unsigned))):
        raise FORM.bad("its tag is not the one that follows from the rest of it")
    complete = replace(draft, signature=tag.removeprefix(unsigned))
    complete.require_readable()
    return complete


def read_raw_tag(raw: str) -> Claim:
    """What a tag object says of itself, read under its own name.

    Raises:
        Refused: it is no signed tag, or not as the formats say.
    """
    lines = raw.split("\n", 3)
    if len(lines) <= 3 or not lines[0].startswith("object ") or not lines[2].startswith("tag "):  # noqa: PLR2004 - the first three headers
        raise FORM.bad("the release before it is no tag")
    commit, name = lines[0].removeprefix("object "), lines[2].removeprefix("tag ")
    return read_claim(read_tag(TagRef(name, object_id(commit, "tag", raw.encode())), raw.encode()))


def _optional(fields: Fields, key: str) -> str:
    return "" if fields.values[key] is None else fields.text(key)
