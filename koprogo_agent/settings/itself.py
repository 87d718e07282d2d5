"""The sections of the configuration file that are about the agent itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from koprogo_agent.settings.sections import Section
from koprogo_agent.settings.values import AbsolutePath, Name, Seconds


class Itself(Section):
    """How the agent keeps itself current."""

    update: bool = Field(
        default=True, description="false leaves the agent at its version; install.sh brings others"
    )
    url: str = Field(
        "https://github.com/gilmry/koprogo-agent.git",
        description="git repository with the agent's own releases; the rest is as in [source]",
    )
    channel: Name = Field("stable", description="channel of its releases")
    trust_directory: AbsolutePath = Field(
        Path("/etc/koprogo-agent/trust/agent"),
        description="folder with root.json, the trust root for the agent's own releases",
    )
    interval: Seconds = Field(3600, ge=1, description="seconds from one look for them to the next")
    home: AbsolutePath = Field(
        Path("/opt/koprogo-agent"), description="folder in which its versions are installed"
    )


class Fleet(Section):
    """Whether the association hears how this instance stands."""

    reports: bool = Field(
        default=False,
        description="true reports versions and state; `koprogo-agent report show` shows all of it",
    )
    url: str = Field(
        "https://fleet.koprogo.com",
        pattern=r"^(https://[^\s@/?#]+|http://(127\.0\.0\.1|localhost)(:\d{1,5})?)/?$",
        description="the association's fleet server",
    )
    token: SecretStr | None = Field(
        None,
        description="from the association, single-use: counts this instance as known to it",
    )


class State(Section):
    """Where the agent keeps what it knows."""

    directory: AbsolutePath = Field(
        Path("/var/lib/koprogo-agent"), description="journal, mirror of the repository, releases"
    )
    run_directory: AbsolutePath = Field(
        Path("/run/koprogo-agent"), description="lock file; emptied at every boot"
    )


class Log(Section):
    """What is written to the journal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least important kind of event that is written"
    )
