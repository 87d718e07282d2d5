"""The agent's own releases as a second product: the same rules, with names and files of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from koprogo_agent.ports import Anchor, Notifier, Source
from koprogo_agent.settings import Settings
from koprogo_agent.update.world import World

PRODUCT = "koprogo-agent"
_FOLDER = "agent"
JOURNAL = "own.db"


@dataclass(frozen=True)
class OwnNotifier:
    """Tells the operator, so that nobody takes it for a word about KoproGo."""

    notifier: Notifier

    def tell(self, title: str, text: str) -> None:
        """Tells it as one about the agent."""
        self.notifier.tell(f"{title} (koprogo-agent)", text)


def own_settings(settings: Settings) -> Settings:
    """The settings by which the agent's own releases are found and judged.

    What may speak to the git server, and within which limits, is the operator's word in [source].
    """
    own = settings.agent
    return settings.model_copy(
        update={
            "source": settings.source.model_copy(update={"url": own.url, "interval": own.interval}),
            "trust": settings.trust.model_copy(
                update={
                    "directory": own.trust_directory,
                    "product": PRODUCT,
                    "channel": own.channel,
                    "require_manifest": True,
                }
            ),
            "state": settings.state.model_copy(update={"directory": own_folder(settings)}),
        }
    )


def own_folder(settings: Settings) -> Path:
    """Where the mirror of the agent's own repository is kept, and its journal."""
    return settings.state.directory / _FOLDER


def own_world(world: World, source: Source, anchor: Anchor) -> World:
    """The same machine, with the source and the trust root of the agent's own releases."""
    return replace(world, source=source, anchor=anchor, notifier=OwnNotifier(world.notifier))
