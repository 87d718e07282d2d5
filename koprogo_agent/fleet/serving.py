"""Runs a server until it is told to stop."""

from __future__ import annotations

from types import FrameType

import uvicorn
from sqlalchemy import Engine

from koprogo_agent.fleet.app import Server
from koprogo_agent.fleet.settings import FleetSettings


def serve(settings: FleetSettings, engine: Engine) -> None:
    """Serves, for ever."""
    server = Server(settings, engine)
    config = uvicorn.Config(
        server.app,
        host=settings.host,
        port=settings.port,
        # Addresses are never written down, and so neither is who asked for what.
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=200,
        timeout_graceful_shutdown=10,
    )
    _Serving(config, server).run()


class _Serving(uvicorn.Server):
    """Waits, when it is told to stop, for what has been asked; streams would never end."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._ours = server

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ours.live.end()
        super().handle_exit(sig, frame)
