"""Mounts, configs and secrets of a scratch project: nothing outside it can be written or called.

A named volume becomes a fresh volume of the scratch project, shared by the services that share it.
A bind mount of a release's file comes from the files of that release, read-only; one of another
file, or that no service may write, is read-only too; one that services write becomes a volume. A
socket is a way out, read-only or not: mounts that may hold one do not come along.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from koprogo_agent.domain.overlay import below

_HOLD_SOCKETS = tuple(map(PurePosixPath, ("/run", "/var/run", "/dev", "/proc", "/sys")))
_SOCKET = ".sock"

Entry = dict[str, Any]


@dataclass(frozen=True)
class ReleaseFiles:
    """Where the files of the rehearsed release lie.

    Attributes:
        root: the stack's folder, as sources of bind mounts in the rendered model name it.
        staged: the folder with the same files as the release has them; equal to `root` for the
            release that is installed.
        paths: the files, relative to both.
    """

    root: str
    staged: str
    paths: frozenset[str]

    def locate(self, source: str) -> str | None:
        """Where a source lies in the release, or None when it is not of the release."""
        path = below(source, self.root)
        if path is None:
            return None
        known = path in self.paths or any(one.startswith(f"{path}/") for one in self.paths)
        return f"{self.staged}/{path}" if known else None


@dataclass(frozen=True)
class HostPaths:
    """What the sources of bind mounts are on this machine, as far as the agent can see.

    Attributes:
        files: regular files: no volume can take their place.
        sockets: sockets: they never come along.
    """

    files: frozenset[str] = frozenset()
    sockets: frozenset[str] = frozenset()


def bind_sources(model: Mapping[str, Any]) -> frozenset[str]:
    """The sources of all bind mounts of a model."""
    mounts = (mount for one in model["services"].values() for mount in _mounts(one, "bind"))
    return frozenset(str(mount["source"]) for mount in mounts)


@dataclass(frozen=True)
class FileRules:
    """How the mounts of the services that come along are translated.

    Attributes:
        release: where the release's files lie.
        host: what the sources of bind mounts are on this machine.
        written: sources that a service which comes along may write.
    """

    release: ReleaseFiles
    host: HostPaths
    written: frozenset[str]

    @classmethod
    def of(
        cls, services: Iterable[Mapping[str, Any]], release: ReleaseFiles, host: HostPaths
    ) -> FileRules:
        """The rules for a set of services."""
        mounts = (mount for one in services for mount in _mounts(one, "bind"))
        written = (str(one["source"]) for one in mounts if not one.get("read_only"))
        return cls(release, host, frozenset(written))

    def mounts(self, service: Mapping[str, Any]) -> list[Entry]:
        """The mounts of a service in the scratch project."""
        translated = map(self._mount, service.get("volumes") or ())
        return [one for one in translated if one is not None]

    def stores(self, model: Mapping[str, Any], kind: str) -> dict[str, Entry]:
        """The configs or secrets of a model that come along, as top-level entries."""
        translated = {name: self._store(one) for name, one in (model.get(kind) or {}).items()}
        return {name: one for name, one in translated.items() if one is not None}

    def _mount(self, mount: Mapping[str, Any]) -> Entry | None:
        match mount.get("type"):
            case "volume":
                return _volume(mount)
            case "tmpfs":
                return {key: mount[key] for key in ("type", "target", "tmpfs") if key in mount}
            case "bind":
                return self._bind(mount)
            case _:
                return None

    def _bind(self, mount: Mapping[str, Any]) -> Entry | None:
        source = str(mount["source"])
        if self._may_call_out(source):
            return None
        place = {"type": "bind", "target": mount["target"], "read_only": True}
        staged = self.release.locate(source)
        if staged is not None:
            return place | {"source": staged}
        if source in self.written and source not in self.host.files:
            volume = {"type": "volume", "source": _name("bind", source), "target": mount["target"]}
            return volume | ({"read_only": True} if mount.get("read_only") else {})
        return place | {"source": source}

    def _store(self, entry: Mapping[str, Any]) -> Entry | None:
        for key in ("content", "environment"):
            if key in entry:
                return {key: entry[key]}
        source = str(entry.get("file") or "")
        if not source or self._may_call_out(source):
            return None
        return {"file": self.release.locate(source) or source}

    def _may_call_out(self, source: str) -> bool:
        path = PurePosixPath(source)
        if source in self.host.sockets or path.suffix == _SOCKET or ".." in path.parts:
            return True
        return any(path.is_relative_to(one) or one.is_relative_to(path) for one in _HOLD_SOCKETS)


def _mounts(service: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in service.get("volumes") or () if one.get("type") == kind]


def _volume(mount: Mapping[str, Any]) -> Entry:
    kept = {key: mount[key] for key in ("type", "target", "read_only") if mount.get(key)}
    options = mount.get("volume") or {}
    if mount.get("source"):
        # A folder inside a fresh volume does not exist: each such folder is a volume of its own.
        folder = options.get("subpath")
        kept["source"] = _name(mount["source"], folder) if folder else mount["source"]
    if options.get("nocopy"):
        kept["volume"] = {"nocopy": True}
    return kept


def _name(what: str, of: str) -> str:
    return f"{what}-{hashlib.sha256(of.encode()).hexdigest()[:12]}"
