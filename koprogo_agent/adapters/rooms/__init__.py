"""Waiting rooms: HAProxy containers that take a service's routes. The port `Rooms`."""

from koprogo_agent.adapters.rooms.containers import HaproxyRooms
from koprogo_agent.adapters.rooms.note import HoldNote

__all__ = ["HaproxyRooms", "HoldNote"]
