"""What whoever hosts the server can set, by environment variables `KOPROGO_FLEET_…`."""

from __future__ import annotations

from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from koprogo_agent.errors import NeedsOperator

PREFIX = "KOPROGO_FLEET_"


class FleetSettings(BaseSettings):
    """Everything that can be set. Durations are seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database: str = Field(
        "sqlite:////var/lib/koprogo-fleet/fleet.db",
        pattern=r"^(sqlite:///|postgresql://)\S+$",
        description="where all is kept: SQLite for a small fleet, postgresql:// for a real one",
    )
    public_url: str = Field(
        "https://fleet.koprogo.com",
        pattern=r"^https?://[^\s/?#@]+$",
        description="the address that instances report to; it is part of what they sign",
    )
    host: str = Field("127.0.0.1", description="address to listen at")
    port: int = Field(8420, ge=0, le=65535, description="port to listen at")
    interval: int = Field(180, ge=60, le=86400, description="from one report to the next")
    reports_per_address: float = Field(
        600, gt=0, description="reports a minute that one address may send; several share one"
    )
    enrolments_per_address: float = Field(
        10, gt=0, description="instances an hour that may begin to report from one address"
    )
    enrolments: float = Field(
        1000, gt=0, description="instances an hour that may begin to report from anywhere"
    )
    keep_days: int = Field(
        90, ge=7, le=3650, description="days for which what instances told is kept"
    )
    timezone: str = Field(
        "Europe/Brussels", description="in which the dashboard shows moments, and reads them"
    )
    notice: str = Field(
        "", max_length=300, description="a line that every instance shows its keeper"
    )

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("there is no such time zone")
        return name

    @property
    def is_https(self) -> bool:
        """Whether visitors come over TLS."""
        return self.public_url.startswith("https://")


def load() -> FleetSettings:
    """Reads the environment.

    Raises:
        NeedsOperator: a value cannot be used (code `config.invalid`); the message names each.
    """
    try:
        return FleetSettings()
    except ValidationError as error:
        faults = "; ".join(
            f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
            for one in error.errors()
        )
        raise NeedsOperator(
            f"the settings cannot be used: {faults}",
            code="config.invalid",
            advice="docs/fleet.md lists them",
        ) from error
