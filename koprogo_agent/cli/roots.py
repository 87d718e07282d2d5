"""A trust root, as people compare it before they believe it."""

from __future__ import annotations

from collections.abc import Iterator

from koprogo_agent.cli import render
from koprogo_agent.domain.root import RoleName, Root


def show(content: Root) -> None:
    """Prints a trust root: who may do what, with the fingerprints that people compare."""
    until = f"{content.expires:%Y-%m-%d}"
    render.line(f"{content.subject} of {content.product}, good until {until}", "bold")
    keys = content.keys
    may = {
        key.name: [name for name, role in content.roles.items() if key in role.keys] for key in keys
    }
    rows = ((key.name, f"{key.kind} {key.fingerprint}", ", ".join(may[key.name])) for key in keys)
    render.table("", ("key", "fingerprint", "may sign"), rows)
    render.pairs(_roles(content))
    for name in content.by_one_alone:
        render.line(
            f"  WARNING: 1 of 1 for the role {name}: one stolen key is enough"
            if len(content.role(name).keys) == 1
            else f"  WARNING: one stolen key is enough for the role {name}",
            "bold red",
        )


_MEANS = {
    RoleName.ROOT: "the next trust root",
    RoleName.RELEASE: "a release",
    RoleName.FRESHNESS: "freshness",
}


def _roles(content: Root) -> Iterator[tuple[str, str]]:
    for name, role in content.roles.items():
        yield _MEANS[name], f"is signed by {role.threshold} of {len(role.keys)}"
    yield "sha256", content.envelope.sha256
