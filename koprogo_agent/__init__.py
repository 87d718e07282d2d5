"""koprogo-agent: keeps a self-hosted KoproGo current and safe."""

__version__ = "0.1.0"
