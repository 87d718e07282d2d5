"""The files of the sample stack's repository, as a release of some kind has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.lab.ingress import Ingress
from tests.lab.recipes import MigrationStyle, Recipe
from tests.lab.stack import BASE_FILE, ENV_EXAMPLE, MIGRATIONS, OVERRIDE_FILE

TEMPLATES = Path(__file__).parent / "templates"


def first_migrations() -> dict[str, str]:
    """The migrations of the first release: file name -> SQL."""
    return {path.name: path.read_text() for path in (TEMPLATES / "migrations").glob("*.sql")}


def deployed(
    recipe: Recipe, revision: int, style: MigrationStyle, ingress: Ingress
) -> dict[str, bytes]:
    """The files that a machine needs to run the stack; `revision` is that of the ingress."""
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
        OVERRIDE_FILE: _override(style).encode(),
        **ingress.configuration(revision),
    }


def _override(style: MigrationStyle) -> str:
    text = (TEMPLATES / "docker-compose.override.yml").read_text()
    if style is MigrationStyle.START:
        return text
    served = '  backend:\n    command: ["serve"]\n'
    if style is MigrationStyle.SERVICE:
        served += (
            "    depends_on:\n      migrate:\n        condition: service_completed_successfully\n"
        )
        text += (TEMPLATES / "migrate-service.yml").read_text()
    return text.replace("  backend:\n", served)


def undeployed(migrations: Mapping[str, str]) -> dict[str, bytes]:
    """What else is in the repository."""
    scripts = {f"{MIGRATIONS}/{name}": sql.encode() for name, sql in migrations.items()}
    return {
        ENV_EXAMPLE: (TEMPLATES / "env.example").read_bytes(),
        "README.md": b"# KoproGo, the sample\n",
        **scripts,
    }
