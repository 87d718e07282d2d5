"""The files of the sample stack's repository, as a release of some kind has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.lab.ingress import Ingress
from tests.lab.merging import merged
from tests.lab.recipes import MigrationStyle, Recipe
from tests.lab.stack import BASE_FILE, ENV_EXAMPLE, MIGRATIONS, OVERRIDE_FILE

TEMPLATES = Path(__file__).parent / "templates"

Tree = Mapping[str, object]
"""A part of a compose file."""


def first_migrations() -> dict[str, str]:
    """The migrations of the first release: file name -> SQL."""
    return {path.name: path.read_text() for path in (TEMPLATES / "migrations").glob("*.sql")}


def deployed(
    recipe: Recipe, revision: int, style: MigrationStyle, ingress: Ingress, more: Tree
) -> dict[str, bytes]:
    """The files that a machine needs to run the stack.

    Args:
        recipe: the kind of release.
        revision: that of the ingress.
        style: who runs the migrations.
        ingress: how users reach the stack.
        more: what the override file says besides.
    """
    base = (TEMPLATES / "docker-compose.base.yml").read_text()
    base = base.replace("@INGRESS@\n", f"{ingress.compose(revision)}\n")
    if recipe.new_variable:
        wanted = f"      {recipe.new_variable}: ${{{recipe.new_variable}}}\n"
        base = base.replace("      JWT_SECRET:", f"{wanted}      JWT_SECRET:")
    if recipe.database:
        base = base.replace("/lab/postgres:15\n", f"/lab/postgres:{recipe.database}\n")
    if recipe.invalid_compose:
        base = base.replace("\n  frontend:\n", "\n  frontend:\n    imag: typo\n")
    return {
        BASE_FILE: base.encode(),
        OVERRIDE_FILE: json.dumps(merged(_override(style), more), indent=1).encode(),
        **ingress.configuration(revision),
    }


def _override(style: MigrationStyle) -> Tree:
    """Production: what differs from the common part."""
    backend: Tree = {
        "environment": {"RUST_LOG": "warn"},
        "deploy": {"resources": {"limits": {"memory": "512M"}}},
    }
    frontend: Tree = {"deploy": {"resources": {"limits": {"memory": "96M"}}}}
    if style is not MigrationStyle.START:
        backend = {**backend, "command": ["serve"]}
    if style is not MigrationStyle.SERVICE:
        return {"services": {"backend": backend, "frontend": frontend}}
    ended = {"migrate": {"condition": "service_completed_successfully"}}
    migrate = {
        "image": "${REGISTRY}/koprogo/backend:${IMAGE_TAG}",
        "container_name": "${STACK_NAME}-migrate",
        "command": ["migrate"],
        "environment": {
            "DATABASE_URL": "postgresql://koprogo:${POSTGRES_PASSWORD}@postgres:5432/koprogo_db"
        },
        "depends_on": {"postgres": {"condition": "service_healthy"}},
        "networks": ["koprogo-network"],
    }
    backend = {**backend, "depends_on": ended}
    return {"services": {"backend": backend, "frontend": frontend, "migrate": migrate}}


def undeployed(migrations: Mapping[str, str]) -> dict[str, bytes]:
    """What else is in the repository."""
    scripts = {f"{MIGRATIONS}/{name}": sql.encode() for name, sql in migrations.items()}
    return {
        ENV_EXAMPLE: (TEMPLATES / "env.example").read_bytes(),
        "README.md": b"# KoproGo, the sample\n",
        **scripts,
    }
