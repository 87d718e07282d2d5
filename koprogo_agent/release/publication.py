"""What is published goes out all at once, or not at all; and here only once it is out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from koprogo_agent.domain.freshness import Freshness
from koprogo_agent.domain.root import Root
from koprogo_agent.release.product import Product


@dataclass(frozen=True)
class Publication:
    """What is to be published: its objects are written, and no ref names them yet.

    Attributes:
        tag: the tag, and its object; None where none is made.
        branch: the ref of the trust branch, and the commit at which it shall stand; None where
            it stays as it is.
        freshness: the freshness document that is renewed with it, or None.
        note: what somebody still has to do, in words; empty where that is nothing.
    """

    tag: tuple[str, str] | None = None
    branch: tuple[str, str] | None = None
    freshness: Freshness | None = None
    note: str = ""

    @property
    def updates(self) -> dict[str, str]:
        """Full ref name -> object."""
        tag = {f"refs/tags/{self.tag[0]}": self.tag[1]} if self.tag else {}
        return tag | (dict([self.branch]) if self.branch else {})


def push(product: Product, publication: Publication) -> None:
    """Publishes at the remote, and then here; raises as `Remote.push`."""
    product.remote.push(publication.updates)
    keep(product, publication)


def keep(product: Product, publication: Publication) -> None:
    """Publishes in this clone alone."""
    if publication.tag:
        name, oid = publication.tag
        known = {ref.name: ref.oid for ref in product.clone.tags()}
        if known.get(name) != oid:
            product.clone.point_tag(name, oid)
    if publication.branch:
        product.branch.move(publication.branch[1])


def commit(
    product: Product, on: str | None, files: Mapping[str, Root | Freshness], message: str
) -> tuple[str, str]:
    """The trust branch, and a commit for it that adds or replaces documents.

    Raises:
        NeedsOperator: git does not know who commits (code `git.no_identity`).
    """
    product.clone.identity()
    contents = {path: document.envelope.raw() for path, document in files.items()}
    return product.branch.ref, product.branch.commit(contents, message, on)
