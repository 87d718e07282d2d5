"""What verbs that publish have in common: they fetch first, and tell what went out."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.cli import render
from koprogo_agent.cli.release import show
from koprogo_agent.release.product import Product, open_product
from koprogo_agent.release.publication import Publication, keep, push


def fetched(no_push: bool) -> Product:
    """The product, with what its remote has now, unless nothing shall be pushed."""
    product = open_product(Path.cwd())
    if not no_push:
        with show.waiting(f"fetching from {product.remote.name}"):
            product.remote.fetch()
    return product


def send(product: Product, publication: Publication, no_push: bool) -> None:
    """Publishes, and says what was published where."""
    if no_push:
        keep(product, publication)
    else:
        with show.waiting(f"pushing to {product.remote.name}"):
            push(product, publication)
    if publication.freshness:
        show.freshness(publication.freshness)
    for ref, oid in publication.updates.items():
        show.mark(show.GOOD, "published", f"{ref}  {oid}")
    if no_push:
        render.line("  in this clone alone; for everybody:")
        render.line(f"  {product.remote.command(publication.updates)}")
    if publication.note:
        render.line(f"  {publication.note}", "yellow")
