"""`koprogo-release init` and `rotate`: who may sign, from now on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from koprogo_agent.cli import render, roots
from koprogo_agent.cli.release import show
from koprogo_agent.cli.release.options import read_named
from koprogo_agent.domain.keys import Key
from koprogo_agent.domain.root import Root
from koprogo_agent.release import files
from koprogo_agent.release.ceremony import Succession, begin, succeed
from koprogo_agent.release.endorse import stand
from koprogo_agent.release.keyring import read_public
from koprogo_agent.release.product import Product, open_product
from koprogo_agent.release.roots import Change

_SHOWN = 10
_KEY = "NAME=KEY"
_A_KEY = "a .pub file, or the fingerprint of a GPG key"

Threshold = Annotated[int | None, typer.Option(min=1, help="How many people must sign a release.")]
RootThreshold = Annotated[
    int | None,
    typer.Option(min=1, help="How many must sign the next trust root; as many, if not given."),
]
Freshness = Annotated[
    list[str] | None,
    typer.Option(metavar=_KEY, help="Key of the job that renews freshness; may say nothing else."),
]
Expires = Annotated[
    int | None, typer.Option(min=1, metavar="DAYS", help="Days for which the root is good.")
]
Person = Annotated[
    list[str] | None,
    typer.Option(metavar=_KEY, help=f"Somebody who may sign, and {_A_KEY}; once for each."),
]
Add = Annotated[list[str] | None, typer.Option(metavar=_KEY, help="Somebody who may sign too.")]
Remove = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A key that is to be believed no more.")
]


def init(
    person: Person = None,
    threshold: Threshold = None,
    root_threshold: RootThreshold = None,
    freshness: Freshness = None,
    expires: Expires = None,
) -> None:
    """Make the first trust root: say who may sign releases, and how many must."""
    product, now = open_product(Path.cwd()), datetime.now(UTC)
    people = _keys(person) if person else _ask_people()
    if threshold is None:
        threshold = _ask_threshold(len(people))
        freshness = freshness or _ask_freshness()
    change = Change(
        valid=_valid(product, expires),
        add=people,
        online=_keys(freshness or ()),
        threshold=threshold,
        root_threshold=root_threshold,
    )
    root = begin(product, change, now)
    file = files.write(root, Path.cwd())
    roots.show(root)
    if not freshness:
        render.line(
            "  no key for a freshness job: somebody must renew it every two days by hand", "yellow"
        )
    _explain(product, root, None, file, now)


def rotate(
    remove: Remove = None,
    add: Add = None,
    threshold: Threshold = None,
    root_threshold: RootThreshold = None,
    freshness: Freshness = None,
    expires: Expires = None,
) -> None:
    """Make the next trust root: take keys out, take keys in, or give it new dates."""
    product, now = open_product(Path.cwd()), datetime.now(UTC)
    change = Change(
        valid=_valid(product, expires),
        add=_keys(add or ()),
        online=_keys(freshness or ()),
        remove=tuple(remove or ()),
        threshold=threshold,
        root_threshold=root_threshold,
    )
    found = succeed(product, change, now)
    file = files.write(found.root, Path.cwd())
    roots.show(found.root)
    _warn(found)
    _explain(product, found.root, found.current, file, now)


def _warn(found: Succession) -> None:
    if found.leaving:
        names = ", ".join(found.leaving)
        render.line(
            f"  too few others can sign it by {found.current.subject}: {names} must sign it too",
            "bold yellow",
        )
    if found.lost:
        tags = ", ".join(one.tag for one in found.lost[:_SHOWN])
        more = f" and {len(found.lost) - _SHOWN} more" if len(found.lost) > _SHOWN else ""
        render.line(
            f"  nobody can newly install {tags}{more} under it: too few of their signers stay;"
            " publish a new release soon",
            "bold yellow",
        )


def _explain(product: Product, root: Root, current: Root | None, file: Path, now: datetime) -> None:
    render.line(f"written: {file.name}")
    show.tallies(stand(root, current, product.signatures, now))
    lines = (
        "what people do now:",
        "  1. each one reads their own fingerprint above to the others, by voice or in one room;",
        "     they see it with: ssh-keygen -lf FILE.pub, or gpg --fingerprint",
        f"  2. each one signs, here:                  koprogo-release sign {file.name}",
        f"     or elsewhere, with the file brought:   koprogo-release cosign {file.name}",
        f"  3. once enough have signed, one of them:  koprogo-release publish {file.name}",
    )
    for line in lines:
        render.line(line)
    if current is None:
        render.line(
            "  4. publish the sha256 above where people get the agent: instances compare it once"
        )


def _valid(product: Product, days: int | None) -> timedelta:
    return timedelta(days=days or product.settings.root_valid_for)


def _keys(given: Iterable[str]) -> tuple[Key, ...]:
    return tuple(read_public(*read_named(one)) for one in given)


def _ask_people() -> tuple[Key, ...]:
    _require_terminal("--person NAME=FILE.pub, once for each who may sign")
    render.line("The trust root says who may sign releases. It needs everybody's PUBLIC key:")
    render.line(f"for each person a line NAME=KEY, where KEY is {_A_KEY}; an empty line ends.")
    keys: list[Key] = []
    while line := typer.prompt(f"person {len(keys) + 1}", default="", show_default=False):
        keys += _keys([line])
        render.line(f"  {keys[-1].name}: {keys[-1].kind} {keys[-1].fingerprint}")
    if not keys:
        raise typer.BadParameter("nobody could sign a release")
    return tuple(keys)


def _ask_threshold(people: int) -> int:
    _require_terminal("--threshold, how many must sign a release")
    render.line("How many of them must sign a release? One stolen key must not be enough,")
    render.line("and one that is lost must not stop you: of 3 people, 2.")
    number: int = typer.prompt("how many", default=people // 2 + 1, type=int)
    return number


def _ask_freshness() -> list[str]:
    render.line("A job renews a document every few hours that says which release is the newest.")
    render.line("It has a key of its own, which can hold a release back and start nothing:")
    render.line("  ssh-keygen -t ed25519 -N '' -C freshness -f freshness   makes one.")
    line = typer.prompt("NAME=freshness.pub, or nothing", default="", show_default=False)
    return [line] if line else []


def _require_terminal(option: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"give {option}")
