"""The operator's settings: one TOML file, and environment variables that win over it.

`/etc/koprogo-agent/config.toml` is read unless `--config` or `KOPROGO_AGENT_CONFIG` names another.
`KOPROGO_AGENT_GATE__DEADLINE=300` sets `deadline` of `[gate]`; lists and tables are given as JSON.
All durations are plain numbers of seconds and all sizes plain numbers of bytes: one way to write
them, none to misread. `config.example.toml` shows every key. A file that was written for an older
version is read as that version meant it (`changes`); where it lies says which of a machine's
agents it is for (`places`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from koprogo_agent import places
from koprogo_agent.settings import faults
from koprogo_agent.settings.changes import Edit, carry
from koprogo_agent.settings.itself import Fleet, Itself, Log, State
from koprogo_agent.settings.network import Network
from koprogo_agent.settings.sections import (
    Backup,
    Database,
    Gate,
    Hold,
    Migration,
    Notify,
    Policy,
    Probe,
    Rehearsal,
    Soak,
    Source,
    Stack,
    Trust,
)

MIGRATE = "config migrate"
"""The verb for what `find_older` finds."""

_HEALTH = Probe(
    name="health",
    service="backend",
    port=8080,
    path="/api/v1/health",
    contains={"status": "ok"},
)


class Settings(BaseSettings):
    """Everything that the operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=faults.ENV_PREFIX,
        env_nested_delimiter=faults.ENV_DELIMITER,
        extra="forbid",
        frozen=True,
    )

    source: Source = Field(Source(), description="where releases come from")
    network: Network = Field(Network(), description="the way out of this machine's network")
    trust: Trust = Field(Trust(), description="whose releases are accepted")
    stack: Stack = Field(Stack(), description="the compose project")
    database: Database = Field(Database(), description="its PostgreSQL")
    migration: Migration = Field(Migration(), description="how its schema changes")
    gate: Gate = Field(Gate(), description="when it counts as healthy")
    probe: tuple[Probe, ...] = Field((_HEALTH,), description="HTTP questions that it must answer")
    soak: Soak = Field(Soak(), description="watching after an update")
    hold: Hold = Field(Hold(), description="keeping users from noticing an update")
    rehearsal: Rehearsal = Field(Rehearsal(), description="trying a release on a copy")
    backup: Backup = Field(Backup(), description="dumps of the database")
    policy: Policy = Field(Policy(), description="when the agent acts by itself")
    notify: Notify = Field(Notify(), description="whom to tell")
    fleet: Fleet = Field(Fleet(), description="whether the association hears of it")
    agent: Itself = Field(Itself(), description="how the agent keeps itself current")
    state: State = Field(State(), description="where the agent keeps what it knows")
    log: Log = Field(Log(), description="what is written to the journal")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.policy.poll_stale_after <= self.source.interval:
            raise ValueError("policy.poll_stale_after must be longer than source.interval")
        names = [probe.name for probe in self.probe]
        if len(set(names)) != len(names):
            raise ValueError("two probes have the same name")
        rehearsed = {self.database.service, *self.stack.writers}
        if left := sorted(rehearsed.intersection(self.rehearsal.leave_out)):
            raise ValueError(
                f"rehearsal.leave_out names {left[0]}, which is what is rehearsed;"
                ' to rehearse nothing: rehearsal.when = "never"'
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env file is ever read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor a secrets folder
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which `load` gives as arguments."""
        return env_settings, init_settings

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be seen in a log or a message."""
        single = (self.fleet.token, self.network.proxy_password)
        given = (*self.notify.urls, *(one for one in single if one))
        return tuple(one.get_secret_value() for one in given)


def load(path: Path | None = None) -> Settings:
    """Reads the settings.

    Args:
        path: the file; None means the one that `places.locate` finds.

    Raises:
        NeedsOperator: anything is wrong (code `config.invalid`); the message lists every fault.
    """
    file = places.locate(path)
    carried = carry(faults.read_toml(file))
    found = carried.conflicts + faults.find_unknown(Settings, carried.document, os.environ)
    known: dict[str, Any] = {
        name: value for name, value in carried.document.items() if name in Settings.model_fields
    }
    for section, defaults in places.defaults_of(file).items():
        given = known.get(section, {})
        known[section] = {**defaults, **given} if isinstance(given, dict) else given
    try:
        settings = Settings(**known)
    except ValidationError as error:
        found += faults.explain(Settings, error, os.environ)
    except SettingsError as error:
        found.append(faults.explain_environment(error))
    if found:
        raise faults.invalid(file, found)
    return settings


def find_older(path: Path | None = None) -> list[Edit]:
    """What in the file is of an older form, and how `load` reads it; empty for one of today.

    Raises:
        NeedsOperator: the file cannot be read (code `config.invalid`).
    """
    return carry(faults.read_toml(places.locate(path))).edits
