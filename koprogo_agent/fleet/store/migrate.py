"""Brings the database to the schema that this server knows."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from koprogo_agent.fleet.store.database import alone

_SCRIPTS = Path(__file__).parent / "migrations"
NEWEST = max(path.name[1:5] for path in (_SCRIPTS / "versions").glob("v*.py"))
"""The schema that this server knows."""


def migrate(engine: Engine) -> None:
    """Does what is left to do; whoever types it twice changes nothing."""
    if _version(engine) == NEWEST:
        return
    # Half a second to import, for what is nearly always done already.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("version_locations", str(_SCRIPTS / "versions"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        alone(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found
