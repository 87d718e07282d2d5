"""Images of the engine, and the registries behind it."""

from koprogo_agent.adapters.images.contents import EngineImageContents
from koprogo_agent.adapters.images.store import RegistryImages

__all__ = ["EngineImageContents", "RegistryImages"]
