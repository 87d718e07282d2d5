"""The kinds of release that the lab can publish: one row of a table each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What is right or wrong with a release."""

    GOOD = "good"
    GOOD_WITH_MIGRATION = "good, with a schema change"
    SLOW_START = "good, but needs five seconds to start"
    SLOW_MIGRATION = "good, with a schema change that takes five seconds"
    INGRESS_ONLY = "good, changes only the configuration of the ingress"
    BROKEN_AT_START = "broken at start"
    BROKEN_AFTER_MIGRATION = "broken after its migration"
    BROKEN_IN_PRODUCTION = "broken only in production"
    BROKEN_IN_PRODUCTION_AFTER_MIGRATION = "broken only in production, after its migration"
    MIGRATION_FAILING = "migration failing half-way"
    MIGRATION_FAILING_ON_DATA = "migration failing on rows that are there"
    MIGRATION_HANGING = "migration hanging"
    DYING = "healthy for half a minute, then dead"
    DYING_AFTER_MIGRATION = "healthy for some seconds after its migration, then dead"
    IMAGE_MISSING = "image named but not there"
    OTHER_DATABASE = "brings another major version of PostgreSQL"
    NEEDS_VARIABLE = "needs a variable that the env file lacks"
    INVALID_COMPOSE = "compose file invalid"
    LEGACY = "signed, without a manifest"
    LEGACY_WITH_MIGRATION = "signed, without a manifest, with a schema change"
    LEGACY_UNSIGNED = "unsigned, without a manifest"


class MigrationStyle(StrEnum):
    """Who runs the migrations of the sample stack."""

    START = "start"
    COMMAND = "command"
    SERVICE = "service"


NEW_VARIABLE = "MAIL_FROM"
OTHER_DATABASE = "16"
"""Tag of an image of PostgreSQL that cannot serve the data."""
ADD_COLUMN = "ALTER TABLE rows ADD COLUMN note_{n} TEXT NOT NULL DEFAULT '';"
# Without the rows' column the old backend cannot write: only going back as a pair helps.
RENAME_COLUMN = "ALTER TABLE rows RENAME COLUMN body TO content_{n};"
NEW_TABLE = "CREATE TABLE extra_{n} (id BIGINT PRIMARY KEY, note TEXT);"
IMPOSSIBLE = "ALTER TABLE no_such_table_{n} ADD COLUMN x INT;"
REFUSED_BY_DATA = "ALTER TABLE rows ADD CONSTRAINT empty_{n} CHECK (length(body) < 0);"
SLEEP = "SELECT pg_sleep({seconds});"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kind is made.

    `sql` are the migrations that it adds, `{n}` standing for their version; `behaviour` goes into
    the backend's image; `database` is the tag of the database's image, where it is another; later
    releases build on a `sound` one.
    """

    sql: tuple[str, ...] = ()
    behaviour: Mapping[str, object] = field(default_factory=dict)
    sound: bool = False
    signed: bool = True
    manifest: bool = True
    images_pushed: bool = True
    new_images: bool = True
    new_ingress: bool = False
    new_variable: str = ""
    invalid_compose: bool = False
    database: str = ""


RECIPES: Mapping[Kind, Recipe] = {
    Kind.GOOD: Recipe(sound=True),
    Kind.GOOD_WITH_MIGRATION: Recipe(sql=(ADD_COLUMN,), sound=True),
    Kind.SLOW_START: Recipe(behaviour={"start_delay_seconds": 5}, sound=True),
    Kind.SLOW_MIGRATION: Recipe(sql=(ADD_COLUMN + SLEEP.format(seconds=5),), sound=True),
    Kind.INGRESS_ONLY: Recipe(sound=True, new_images=False, new_ingress=True),
    Kind.BROKEN_AT_START: Recipe(behaviour={"exit_at_start": True}),
    Kind.BROKEN_AFTER_MIGRATION: Recipe(
        sql=(RENAME_COLUMN,), behaviour={"exit_after_migration": True}
    ),
    Kind.BROKEN_IN_PRODUCTION: Recipe(behaviour={"exit_with_documents": True}),
    Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION: Recipe(
        sql=(RENAME_COLUMN,), behaviour={"exit_with_documents": True}
    ),
    Kind.MIGRATION_FAILING: Recipe(sql=(NEW_TABLE, IMPOSSIBLE)),
    Kind.MIGRATION_FAILING_ON_DATA: Recipe(sql=(REFUSED_BY_DATA,)),
    Kind.MIGRATION_HANGING: Recipe(sql=(SLEEP.format(seconds=86_400),)),
    Kind.DYING: Recipe(behaviour={"die_after_seconds": 30}),
    Kind.DYING_AFTER_MIGRATION: Recipe(sql=(ADD_COLUMN,), behaviour={"die_after_seconds": 10}),
    Kind.IMAGE_MISSING: Recipe(images_pushed=False, sound=True),
    Kind.OTHER_DATABASE: Recipe(database=OTHER_DATABASE),
    Kind.NEEDS_VARIABLE: Recipe(
        new_variable=NEW_VARIABLE, behaviour={"needs_variable": NEW_VARIABLE}
    ),
    Kind.INVALID_COMPOSE: Recipe(invalid_compose=True),
    Kind.LEGACY: Recipe(manifest=False, sound=True),
    Kind.LEGACY_WITH_MIGRATION: Recipe(sql=(ADD_COLUMN,), manifest=False, sound=True),
    Kind.LEGACY_UNSIGNED: Recipe(manifest=False, signed=False, sound=True),
}
