"""Waiting rooms: HAProxy containers that take a service's routes. The port `Rooms`."""

from koprogo_agent.adapters.rooms.containers import HaproxyRooms

__all__ = ["HaproxyRooms"]
