"""What whoever hosts the server can set, by environment variables `KOPROGO_FLEET_…`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Self
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from koprogo_agent.errors import NeedsOperator

PREFIX = "KOPROGO_FLEET_"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what `LoadCredential=` names: each setting may be a file there."""
_ISSUER = re.compile(
    r"https://[^\s/?#@]+(/[^\s?#]*)?|http://(127(\.\d+){3}|localhost|\[::1\])(:\d+)?(/[^\s?#]*)?"
)
_SHORTEST = 16


@dataclass(frozen=True)
class OpenId:
    """An OpenID provider by which staff may log in.

    Attributes:
        issuer: its address, exactly as it calls itself.
        name: the server's own at the provider (`client_id`).
        secret: the server's own at the provider (`client_secret`).
        label: what the button says.
    """

    issuer: str
    name: str
    secret: SecretStr
    label: str


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
    oidc_issuer: str = Field("", description="the OpenID provider by which staff may log in")
    oidc_client: str = Field("", max_length=200, description="this server's name at the provider")
    oidc_secret: SecretStr = Field(
        SecretStr(""), description="this server's secret at the provider"
    )
    oidc_label: str = Field(
        "OpenID Connect", min_length=1, max_length=60, description="what the button says"
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _is_guarded(cls, issuer: str) -> str:
        if issuer and not _ISSUER.fullmatch(issuer):
            raise ValueError("it must be an https:// address; http:// only of this very machine")
        return issuer

    @field_validator("oidc_secret")
    @classmethod
    def _is_no_word(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret) < _SHORTEST:
            raise ValueError(
                f"it has fewer than {_SHORTEST} characters; take one that the provider made"
            )
        return secret

    @model_validator(mode="after")
    def _has_all_or_none(self) -> Self:
        needed = ("oidc_issuer", "oidc_client", "oidc_secret")
        lacking = [f"{PREFIX}{name.upper()}" for name in needed if not getattr(self, name)]
        if lacking and (len(lacking) < len(needed) or "oidc_label" in self.model_fields_set):
            raise ValueError(
                f"for OpenID Connect, set {' and '.join(lacking)} as well, or nothing of it"
            )
        return self

    @property
    def openid(self) -> OpenId | None:
        """The OpenID provider, if there is one."""
        if not self.oidc_issuer:
            return None
        return OpenId(self.oidc_issuer, self.oidc_client, self.oidc_secret, self.oidc_label)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen in any log."""
        return (self.oidc_secret.get_secret_value(),)

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
    """Reads the environment, and what systemd has put into files.

    Raises:
        NeedsOperator: a value cannot be used (code `config.invalid`); the message names each.
    """
    try:
        return FleetSettings(_secrets_dir=os.environ.get(_CREDENTIALS))
    except ValidationError as error:
        raise _unusable("; ".join(map(_fault, error.errors()))) from error
    except (SettingsError, OSError, UnicodeDecodeError) as error:
        raise _unusable(f"{_CREDENTIALS}: {error}") from error


def _fault(one: ErrorDetails) -> str:
    words = one["msg"].removeprefix("Value error, ")
    name = "_".join(map(str, one["loc"])).upper()
    return f"{PREFIX}{name}: {words}" if name else words


def _unusable(faults: str) -> NeedsOperator:
    return NeedsOperator(
        f"the settings cannot be used: {faults}",
        code="config.invalid",
        advice="docs/fleet.md lists them",
    )
