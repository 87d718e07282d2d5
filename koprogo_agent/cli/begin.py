"""How every verb begins that concerns an installed agent, and the daemon too."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.privileges import act_as_owner
from koprogo_agent.settings import Settings, load


def begin(config: Path | None) -> Settings:
    """Reads the settings, and goes on as the agent's own user where root typed the verb.

    Raises:
        NeedsOperator: the configuration cannot be used (code `config.invalid`).
    """
    settings = load(config)
    act_as_owner(settings.state.directory)
    return settings
