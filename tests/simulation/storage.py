"""An S3 storage, as KoproGo's backend uses it: without its bucket the backend exits at start."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.simulation.box import Box
    from tests.simulation.machine import Machine


def no_storage(machine: Machine, box: Box) -> str:
    """Why the storage that a container uses does not answer; empty when it does."""
    host = _host(box)
    found = machine.one(box.project, host) if host else None
    serves = not host or (found is not None and found.serves)
    return "" if serves else f"{host}: connection refused"


def no_bucket(machine: Machine, box: Box) -> str:
    """Why a backend cannot use its bucket; empty when it can, or uses none."""
    made = box.project in machine.buckets or not _host(box)
    return no_storage(machine, box) or ("" if made else "the bucket does not answer")


def _host(box: Box) -> str:
    """The service whose storage a container uses, or nothing."""
    environment = box.spec.get("environment") or {}
    local = environment.get("STORAGE_PROVIDER") == "local"
    return "" if local else urlsplit(environment.get("S3_ENDPOINT", "")).hostname or ""
