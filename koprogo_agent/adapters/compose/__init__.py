"""Docker Compose, and the containers of its projects."""

from koprogo_agent.adapters.compose.stack import ComposeStack

__all__ = ["ComposeStack"]
