"""Applies the embedded migrations by the rules of sqlx's migrator, its refusals included."""

from __future__ import annotations

import binascii
import time
from collections.abc import Sequence

from psycopg import AsyncConnection

from .release import Migration

# sqlx's own constant: the lock is per database, so that two databases migrate independently.
LOCK_FACTOR = 0x3D32AD9E

TABLE = """
CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
)
"""


class MigrateError(Exception):
    """The database and the embedded migrations do not go together; the text is sqlx's."""


async def migrate(database: AsyncConnection, migrations: Sequence[Migration]) -> int:
    """Bring the schema up to date; returns how many migrations ran.

    Raises:
        MigrateError: the database holds a version that is not embedded (`VersionMissing`), one
            with another text (`VersionMismatch`), or one that failed half-way (`Dirty`).
    """
    name = database.info.dbname
    lock = LOCK_FACTOR * binascii.crc32(name.encode())
    await database.execute("SELECT pg_advisory_lock(%s)", [lock])
    try:
        await database.execute(TABLE)
        applied = await _applied(database)
        _compare(applied, migrations)
        waiting = [each for each in migrations if each.version not in applied]
        for each in waiting:
            await _apply(database, each)
        return len(waiting)
    finally:
        if not database.broken:
            await database.execute("SELECT pg_advisory_unlock(%s)", [lock])


async def _applied(database: AsyncConnection) -> dict[int, bytes]:
    rows = await database.execute(
        "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version"
    )
    applied: dict[int, bytes] = {}
    async for version, checksum, success in rows:
        if not success:
            raise MigrateError(f"Dirty({version})")
        applied[version] = bytes(checksum)
    return applied


def _compare(applied: dict[int, bytes], migrations: Sequence[Migration]) -> None:
    embedded = {each.version: each for each in migrations}
    for version, checksum in applied.items():
        if version not in embedded:
            raise MigrateError(f"VersionMissing({version})")
        if embedded[version].checksum != checksum:
            raise MigrateError(f"VersionMismatch({version})")


async def _apply(database: AsyncConnection, migration: Migration) -> None:
    started = time.perf_counter_ns()
    async with database.transaction():
        await database.execute(migration.sql.encode(), prepare=False)
        await database.execute(
            "INSERT INTO _sqlx_migrations"
            " (version, description, success, checksum, execution_time)"
            " VALUES (%s, %s, TRUE, %s, -1)",
            [migration.version, migration.description, migration.checksum],
        )
    await database.execute(
        "UPDATE _sqlx_migrations SET execution_time = %s WHERE version = %s",
        [time.perf_counter_ns() - started, migration.version],
    )
